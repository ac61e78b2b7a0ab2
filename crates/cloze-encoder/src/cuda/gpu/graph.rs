//! Recorded launches: CUDA graphs, which the GPU runs without asking the processor in between.

use super::check;
use crate::error::Result;
use cudarc::driver::sys;
use std::collections::HashMap;

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

/// From now on, launches on the stream are recorded instead of run.
pub(super) fn begin(stream: sys::CUstream) -> Result<()> {
    let mode = sys::CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL;
    // SAFETY: the stream is live.
    check("record", unsafe { sys::cuStreamBeginCapture_v2(stream, mode) })
}

/// What was recorded.
pub(super) fn end(stream: sys::CUstream) -> Result<Graph> {
    let (mut graph, mut ready) = (std::ptr::null_mut(), std::ptr::null_mut());
    // SAFETY: places to write to; the graph is not needed once it is ready to run.
    unsafe {
        check("record", sys::cuStreamEndCapture(stream, &raw mut graph))?;
        let result = sys::cuGraphInstantiateWithFlags(&raw mut ready, graph, 0);
        sys::cuGraphDestroy(graph);
        check("make a graph", result)?;
    }
    Ok(Graph(ready))
}
