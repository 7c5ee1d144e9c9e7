//! What dashboards hear of live counts: nothing new until a whole group has come.

use std::collections::HashMap;

use crate::store::{BucketRow, Scope};

/// Scopes that are remembered at most; then all are forgotten.
const MAX_SCOPES: usize = 10_000;

/// The counts of the day that were told last of each scope. They stay when nobody listens: who comes back every second
/// would otherwise hear of single scans.
#[derive(Debug)]
pub struct Coarse {
    group: u64,
    told: HashMap<Scope, (BucketRow, u32)>,
}

impl Coarse {
    /// Tells of groups of so many scans.
    pub fn new(group: u32) -> Self {
        Self { group: group.into(), told: HashMap::new() }
    }

    /// What is told of a scope, and as of when: the newest counts, or, until these are a group more, those told last.
    pub fn tell(&mut self, scope: &Scope, row: &BucketRow, at: u32) -> (BucketRow, u32) {
        if let Some((told, told_at)) = self.told.get(scope)
            && told.start == row.start
            && row.scans < told.scans + self.group
        {
            return (told.clone(), *told_at);
        }
        if self.told.len() >= MAX_SCOPES {
            self.told.clear();
        }
        self.told.insert(scope.clone(), (row.clone(), at));
        (row.clone(), at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_changes_with_whole_groups_and_days_only() {
        let mut coarse = Coarse::new(10);
        let mut told = |scope, start, scans, at| {
            let (row, at) = coarse.tell(&scope, &BucketRow { start, scans, ..BucketRow::default() }, at);
            (row.scans, at)
        };
        assert_eq!(told(Scope::City, 0, 14, 1), (14, 1));
        assert_eq!(told(Scope::City, 0, 23, 2), (14, 1), "nine more");
        assert_eq!(told(Scope::Venue(7), 0, 3, 3), (3, 3), "of its own");
        assert_eq!(told(Scope::City, 0, 24, 4), (24, 4));
        assert_eq!(told(Scope::City, 86_400, 0, 5), (0, 5), "the next day");
    }
}
