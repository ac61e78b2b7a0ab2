//! A set of items that is emptied in time proportional to its size, not to the catalogue.

/// Items marked for one user; one per thread, reused from user to user.
pub(crate) struct Marks {
    flags: Vec<bool>,
    items: Vec<u32>,
}

impl Marks {
    pub(crate) fn new(catalogue: usize) -> Self {
        Self { flags: vec![false; catalogue], items: Vec::new() }
    }

    /// Marks an item; false when it was marked before.
    pub(crate) fn insert(&mut self, item: u32) -> bool {
        let flag = &mut self.flags[item as usize];
        let fresh = !*flag;
        if fresh {
            *flag = true;
            self.items.push(item);
        }
        fresh
    }

    pub(crate) fn contains(&self, item: u32) -> bool {
        self.flags[item as usize]
    }

    /// The marked items, each once, in the order of marking.
    pub(crate) fn items(&self) -> &[u32] {
        &self.items
    }

    /// Unmarks everything that was marked after the first `keep` items.
    pub(crate) fn truncate(&mut self, keep: usize) {
        for item in self.items.drain(keep..) {
            self.flags[item as usize] = false;
        }
    }
}
