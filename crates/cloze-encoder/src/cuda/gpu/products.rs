//! Matrix products by cuBLASLt. Row-major `C = A B` is column-major `Cᵀ = Bᵀ Aᵀ`: the factors change places, and a matrix
//! that is taken as it stands needs no transposition.

use super::super::device::{Address, Number, Operand, Product};
use crate::error::{EncoderError, Result};
use cudarc::cublaslt::sys;
use cudarc::driver::sys as driver;
use std::collections::HashMap;
use std::ffi::c_void;

/// Bytes that a product may use on the way.
pub(super) const WORKSPACE: usize = 64 << 20;
/// What every matrix's address is at least a multiple of, where it is known to be 16.
const ALIGNMENT: u64 = 16;

/// A product but for its addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    product: Product,
    alignments: [u32; 4],
}

/// What cuBLASLt wants to know of a product.
#[derive(Clone, Copy)]
struct Plan {
    description: sys::cublasLtMatmulDesc_t,
    first: sys::cublasLtMatrixLayout_t,
    second: sys::cublasLtMatrixLayout_t,
    result: sys::cublasLtMatrixLayout_t,
    algorithm: sys::cublasLtMatmulAlgo_t,
}

/// Products with their plans.
pub(super) struct Products {
    handle: sys::cublasLtHandle_t,
    plans: HashMap<Key, Plan>,
}

impl Products {
    pub(super) fn new() -> Result<Self> {
        let mut handle = std::ptr::null_mut();
        // SAFETY: a place to write to; the caller's context is current.
        check("open cuBLASLt", unsafe { sys::cublasLtCreate(&raw mut handle) })?;
        Ok(Self { handle, plans: HashMap::new() })
    }

    /// Queues a product.
    pub(super) fn multiply(
        &mut self,
        product: &Product,
        workspace: u64,
        stream: driver::CUstream,
    ) -> Result<()> {
        let addresses = [product.b.at.0, product.a.at.0, product.c.0, product.bias.0];
        let key = Key {
            product: Product {
                a: Operand { at: Address::NONE, ..product.a },
                b: Operand { at: Address::NONE, ..product.b },
                c: Address::NONE,
                bias: Address(u64::from(product.bias.0 != 0)),
                ..*product
            },
            alignments: addresses
                .map(|at| if at.is_multiple_of(ALIGNMENT) { 16 } else { 1 << at.trailing_zeros().min(4) }),
        };
        let plan = if let Some(plan) = self.plans.get(&key) {
            *plan
        } else {
            let plan = self.plan(&key, product.bias.0)?;
            self.plans.insert(key, plan);
            plan
        };
        let (one, beta) = (1.0f32, if product.adds { 1.0f32 } else { 0.0 });
        // SAFETY: the matrices were allocated for the product's sizes, the scalars outlive the call.
        unsafe {
            if product.bias.0 != 0 {
                set_bias(plan.description, product.bias.0)?;
            }
            check(
                "multiply",
                sys::cublasLtMatmul(
                    self.handle,
                    plan.description,
                    (&raw const one).cast(),
                    addresses[0] as *const c_void,
                    plan.first,
                    addresses[1] as *const c_void,
                    plan.second,
                    (&raw const beta).cast(),
                    addresses[2] as *const c_void,
                    plan.result,
                    addresses[2] as *mut c_void,
                    plan.result,
                    &raw const plan.algorithm,
                    workspace as *mut c_void,
                    WORKSPACE,
                    stream.cast(),
                ),
            )
        }
    }

    /// The plan with the algorithm that the library puts first: the same for the same shape, so that results are the same
    /// to the bit.
    fn plan(&self, key: &Key, bias: u64) -> Result<Plan> {
        let product = &key.product;
        let [m, n, k] = product.size.map(|size| size as u64);
        let compute = match product.input {
            Number::Bf16 => sys::cublasComputeType_t::CUBLAS_COMPUTE_32F,
            Number::F32 => sys::cublasComputeType_t::CUBLAS_COMPUTE_32F_PEDANTIC,
        };
        let mut description = std::ptr::null_mut();
        // SAFETY: attributes are given with their sizes; descriptors live as long as this structure.
        unsafe {
            let real = sys::cudaDataType_t::CUDA_R_32F;
            check("describe a product", sys::cublasLtMatmulDescCreate(&raw mut description, compute, real))?;
            for (attribute, transposed) in [
                (sys::cublasLtMatmulDescAttributes_t::CUBLASLT_MATMUL_DESC_TRANSA, product.b.transposed),
                (sys::cublasLtMatmulDescAttributes_t::CUBLASLT_MATMUL_DESC_TRANSB, product.a.transposed),
            ] {
                let operation = i32::from(transposed);
                set(description, attribute, &operation)?;
            }
            if bias != 0 {
                let epilogue = sys::cublasLtEpilogue_t::CUBLASLT_EPILOGUE_BIAS;
                set(
                    description,
                    sys::cublasLtMatmulDescAttributes_t::CUBLASLT_MATMUL_DESC_EPILOGUE,
                    &epilogue,
                )?;
                set_bias(description, bias)?;
            }
        }
        let input = data_type(product.input);
        let first = layout(input, if product.b.transposed { [k, n] } else { [n, k] }, product.b.stride)?;
        let second = layout(input, if product.a.transposed { [m, k] } else { [k, m] }, product.a.stride)?;
        let result = layout(data_type(product.output), [n, m], product.c_stride)?;
        let algorithm = self.algorithm(key, [first, second, result], description)?;
        Ok(Plan { description, first, second, result, algorithm })
    }

    fn algorithm(
        &self,
        key: &Key,
        [first, second, result]: [sys::cublasLtMatrixLayout_t; 3],
        description: sys::cublasLtMatmulDesc_t,
    ) -> Result<sys::cublasLtMatmulAlgo_t> {
        use sys::cublasLtMatmulPreferenceAttributes_t as Attribute;
        let attributes = [
            Attribute::CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES,
            Attribute::CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
            Attribute::CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES,
        ];
        let mut preference = std::ptr::null_mut();
        let mut count = 0;
        let mut found = std::mem::MaybeUninit::<sys::cublasLtMatmulHeuristicResult_t>::zeroed();
        // SAFETY: attributes are given with their sizes, and there is room for the one result that is asked for.
        unsafe {
            check("prefer", sys::cublasLtMatmulPreferenceCreate(&raw mut preference))?;
            let limit = Attribute::CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES;
            let size = WORKSPACE;
            check(
                "prefer",
                sys::cublasLtMatmulPreferenceSetAttribute(preference, limit, (&raw const size).cast(), 8),
            )?;
            let d = (Attribute::CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, key.alignments[2]);
            for (attribute, bytes) in attributes.into_iter().zip(key.alignments).chain([d]) {
                let bytes = (&raw const bytes).cast();
                check("prefer", sys::cublasLtMatmulPreferenceSetAttribute(preference, attribute, bytes, 4))?;
            }
            let status = sys::cublasLtMatmulAlgoGetHeuristic(
                self.handle,
                description,
                first,
                second,
                result,
                result,
                preference,
                1,
                found.as_mut_ptr(),
                &raw mut count,
            );
            sys::cublasLtMatmulPreferenceDestroy(preference);
            if count == 0 {
                let [m, n, k] = key.product.size;
                let problem =
                    format!("{status:?}: no way to compute {m} x {k} by {k} x {n}: {:?}", key.product);
                return Err(EncoderError::Device { call: "multiply".to_owned(), problem });
            }
            Ok(found.assume_init().algo)
        }
    }
}

impl Drop for Products {
    fn drop(&mut self) {
        for plan in self.plans.values() {
            // SAFETY: each was created once and is destroyed once.
            unsafe {
                sys::cublasLtMatmulDescDestroy(plan.description);
                for layout in [plan.first, plan.second, plan.result] {
                    sys::cublasLtMatrixLayoutDestroy(layout);
                }
            }
        }
        // SAFETY: the handle is this structure's own.
        unsafe { sys::cublasLtDestroy(self.handle) };
    }
}

fn data_type(number: Number) -> sys::cudaDataType {
    match number {
        Number::F32 => sys::cudaDataType::CUDA_R_32F,
        Number::Bf16 => sys::cudaDataType::CUDA_R_16BF,
    }
}

fn layout(
    number: sys::cudaDataType,
    [rows, columns]: [u64; 2],
    stride: usize,
) -> Result<sys::cublasLtMatrixLayout_t> {
    let mut layout = std::ptr::null_mut();
    // SAFETY: a place to write to.
    let result =
        unsafe { sys::cublasLtMatrixLayoutCreate(&raw mut layout, number, rows, columns, stride as i64) };
    check("describe a matrix", result)?;
    Ok(layout)
}

/// # Safety
/// `description` is live, and `value` of the attribute's type.
unsafe fn set<T>(
    description: sys::cublasLtMatmulDesc_t,
    attribute: sys::cublasLtMatmulDescAttributes_t,
    value: &T,
) -> Result<()> {
    let pointer = std::ptr::from_ref(value).cast();
    // SAFETY: the caller's promise.
    let result =
        unsafe { sys::cublasLtMatmulDescSetAttribute(description, attribute, pointer, size_of::<T>()) };
    check("describe a product", result)
}

/// # Safety
/// `description` is live.
unsafe fn set_bias(description: sys::cublasLtMatmulDesc_t, bias: u64) -> Result<()> {
    let attribute = sys::cublasLtMatmulDescAttributes_t::CUBLASLT_MATMUL_DESC_BIAS_POINTER;
    // SAFETY: the caller's promise; a pointer has 8 bytes.
    unsafe { set(description, attribute, &bias) }
}

fn check(call: &str, status: sys::cublasStatus_t) -> Result<()> {
    if status == sys::cublasStatus_t::CUBLAS_STATUS_SUCCESS {
        return Ok(());
    }
    Err(EncoderError::Device { call: format!("{call} (cuBLASLt)"), problem: format!("{status:?}") })
}
