//! Rows by user, each user's in the order of time: a counting sort, then short sorts.

use super::rows::Part;
use crate::DataError;

/// An interaction of a known user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) time: i64,
    pub(crate) item: u32,
    /// Its place in the file: ties in time keep it, and new numbers go by it.
    pub(crate) row: u32,
}

/// Interactions by user. What a filter removes leaves a gap behind the user's rows.
pub(crate) struct Grouped {
    /// Where each user's room begins; one more for the end.
    pub(crate) offsets: Vec<usize>,
    /// How many of the user's rows are left.
    pub(crate) lengths: Vec<usize>,
    pub(crate) entries: Vec<Entry>,
    pub(crate) item_count: usize,
    pub(crate) has_times: bool,
}

/// How local numbers become common ones.
pub(crate) struct Maps {
    pub(crate) users: Vec<Vec<u32>>,
    pub(crate) items: Vec<Vec<u32>>,
    pub(crate) user_count: usize,
    pub(crate) item_count: usize,
}

/// Groups the rows of all parts. `keep` decides by time, `scale` divides times (rounding down).
pub(crate) fn group(
    parts: &[Part],
    maps: &Maps,
    has_times: bool,
    threads: usize,
    keep: impl Fn(i64) -> bool + Sync,
    scale: i64,
) -> Result<Grouped, DataError> {
    let rows: usize = parts.iter().map(|part| part.users.len()).sum();
    if u32::try_from(rows).is_err() {
        return Err(DataError::TooManyRows { found: rows });
    }
    let time = |part: &Part, row: usize| match (has_times, scale) {
        (false, _) => 0,
        // The usual case without a division.
        (true, 1) => part.times[row],
        (true, scale) => part.times[row].div_euclid(scale),
    };
    let mut offsets = vec![0_usize; maps.user_count + 1];
    for part in parts {
        let users = &maps.users[part.worker];
        for (row, user) in part.users.iter().enumerate() {
            let kept = keep(time(part, row));
            offsets[users[*user as usize] as usize + 1] += usize::from(kept);
        }
    }
    for user in 0..maps.user_count {
        offsets[user + 1] += offsets[user];
    }
    let nothing = Entry { time: 0, item: 0, row: 0 };
    let mut entries = vec![nothing; offsets[maps.user_count]];
    let fill = |users: std::ops::Range<usize>, room: &mut [Entry]| {
        fill(parts, maps, &offsets, users, room, &time, &keep);
    };
    std::thread::scope(|scope| {
        let mut room = entries.as_mut_slice();
        for users in shares(&offsets, threads) {
            let (mine, rest) = room.split_at_mut(offsets[users.end] - offsets[users.start]);
            room = rest;
            let fill = &fill;
            scope.spawn(move || fill(users, mine));
        }
    });
    let lengths = offsets.windows(2).map(|pair| pair[1] - pair[0]).collect();
    Ok(Grouped { offsets, lengths, entries, item_count: maps.item_count, has_times })
}

/// Puts the rows of some users in their places, and sorts each user's by time.
fn fill(
    parts: &[Part],
    maps: &Maps,
    offsets: &[usize],
    mine: std::ops::Range<usize>,
    room: &mut [Entry],
    time: &impl Fn(&Part, usize) -> i64,
    keep: &impl Fn(i64) -> bool,
) {
    let base = offsets[mine.start];
    let mut next: Vec<usize> = offsets[mine.clone()].iter().map(|offset| offset - base).collect();
    let mut before = 0;
    for part in parts {
        let (users, items) = (&maps.users[part.worker], &maps.items[part.worker]);
        for (row, (user, item)) in part.users.iter().zip(&part.items).enumerate() {
            let user = users[*user as usize] as usize;
            let time = time(part, row);
            if mine.contains(&user) && keep(time) {
                let place = &mut next[user - mine.start];
                room[*place] = Entry { time, item: items[*item as usize], row: (before + row) as u32 };
                *place += 1;
            }
        }
        before += part.users.len();
    }
    for user in mine {
        let sequence = &mut room[offsets[user] - base..offsets[user + 1] - base];
        // Rows came in the order of the file: only times can be out of order.
        if !sequence.is_sorted_by_key(|entry| entry.time) {
            sequence.sort_unstable_by_key(|entry| (entry.time, entry.row));
        }
    }
}

/// Ranges of users with about the same number of rows.
fn shares(offsets: &[usize], threads: usize) -> Vec<std::ops::Range<usize>> {
    let users = offsets.len() - 1;
    let mut begin = 0;
    let mut shares = Vec::new();
    for share in 1..=threads {
        let target = (offsets[users] as u128 * share as u128 / threads as u128) as usize;
        let end = if share == threads { users } else { offsets.partition_point(|offset| *offset < target) };
        let end = end.clamp(begin, users);
        shares.push(begin..end);
        begin = end;
    }
    shares
}

impl Grouped {
    /// The rows of a user that are left.
    pub(crate) fn get(&self, user: usize) -> &[Entry] {
        let begin = self.offsets[user];
        &self.entries[begin..begin + self.lengths[user]]
    }

    /// Number of users, those without rows included.
    pub(crate) fn users(&self) -> usize {
        self.lengths.len()
    }

    /// Number of rows left.
    pub(crate) fn rows(&self) -> usize {
        self.lengths.iter().sum()
    }

    /// Keeps those rows of each user for which `keep` holds, in their order.
    pub(crate) fn retain(&mut self, mut keep: impl FnMut(usize, &Entry) -> bool) {
        for user in 0..self.lengths.len() {
            self.retain_of(user, |entry| keep(user, entry));
        }
    }

    /// Keeps those rows of one user for which `keep` holds, in their order.
    pub(crate) fn retain_of(&mut self, user: usize, mut keep: impl FnMut(&Entry) -> bool) {
        let begin = self.offsets[user];
        let sequence = &mut self.entries[begin..begin + self.lengths[user]];
        let mut kept = 0;
        for at in 0..sequence.len() {
            if keep(&sequence[at]) {
                sequence[kept] = sequence[at];
                kept += 1;
            }
        }
        self.lengths[user] = kept;
    }
}
