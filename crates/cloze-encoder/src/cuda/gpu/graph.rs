//! Recorded launches: CUDA graphs, which the GPU runs without asking the processor in between.

use super::check;
use crate::error::Result;
use cudarc::driver::sys;
use std::cell::Cell;
use std::collections::HashMap;
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

/// Recorded lists of launches at most: a run has few, and each takes memory.
const MOST: usize = 64;

/// Whether a list is known.
pub(super) enum Seen {
    Never,
    Once,
    Recorded,
}

/// Lists of launches by their keys; none yet for a list that ran once.
#[derive(Default)]
pub(super) struct Graphs {
    graphs: HashMap<u64, Option<Graph>>,
}

/// A recorded list, ready to run.
pub(super) struct Graph(sys::CUgraphExec);

impl Drop for Graph {
    fn drop(&mut self) {
        // SAFETY: made once, destroyed once; the driver waits for a run that has not ended.
        unsafe { sys::cuGraphExecDestroy(self.0) };
    }
}

impl Graphs {
    /// Whether the list is known; from now on it is.
    pub(super) fn seen(&mut self, key: u64) -> Seen {
        if self.graphs.len() >= MOST && !self.graphs.contains_key(&key) {
            self.graphs.clear();
        }
        match self.graphs.get(&key) {
            Some(Some(_)) => Seen::Recorded,
            Some(None) => Seen::Once,
            None => {
                self.graphs.insert(key, None);
                Seen::Never
            }
        }
    }

    pub(super) fn insert(&mut self, key: u64, graph: Graph) {
        self.graphs.insert(key, Some(graph));
    }

    /// Queues a recorded list.
    pub(super) fn replay(&self, key: u64, stream: sys::CUstream) -> Result<()> {
        let Some(Some(graph)) = self.graphs.get(&key) else { return Ok(()) };
        // SAFETY: the graph is whole and its addresses are live: the engine forgets graphs when it moves its memory.
        check("run a graph", unsafe { sys::cuGraphLaunch(graph.0, stream) })
    }
}

/// One thread records at a time, and no other uses a GPU then: what others do (memory given back, libraries that load their
/// kernels) can break a recording.
static TURNS: RwLock<()> = RwLock::new(());

thread_local! {
    /// How often this thread holds its turn: within a call's turn, or a recording, come other calls'.
    static HELD: Cell<usize> = const { Cell::new(0) };
}

/// The right to use a GPU, for as long as it is held.
pub(super) struct Turn(#[expect(dead_code, reason = "held, not read")] Option<RwLockReadGuard<'static, ()>>);

impl Turn {
    pub(super) fn take() -> Self {
        let held = HELD.get();
        HELD.set(held + 1);
        Self((held == 0).then(|| TURNS.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        HELD.set(HELD.get() - 1);
    }
}

/// Records what `work` launches on the stream instead of running it. The caller holds no turn.
pub(super) fn record(stream: sys::CUstream, work: impl FnOnce() -> Result<()>) -> Result<Graph> {
    let _alone = TURNS.write().unwrap_or_else(PoisonError::into_inner);
    HELD.set(HELD.get() + 1);
    let result = record_alone(stream, work);
    HELD.set(HELD.get() - 1);
    result
}

fn record_alone(stream: sys::CUstream, work: impl FnOnce() -> Result<()>) -> Result<Graph> {
    let mode = sys::CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_RELAXED;
    let (mut graph, mut ready) = (std::ptr::null_mut(), std::ptr::null_mut());
    // SAFETY: the stream is live, the others are places to write to; the graph is not needed once it is ready to run.
    unsafe {
        check("record", sys::cuStreamBeginCapture_v2(stream, mode))?;
        let worked = work();
        let ended = check("record", sys::cuStreamEndCapture(stream, &raw mut graph));
        worked.and(ended)?;
        let result = sys::cuGraphInstantiateWithFlags(&raw mut ready, graph, 0);
        sys::cuGraphDestroy(graph);
        check("make a graph", result)?;
    }
    Ok(Graph(ready))
}
