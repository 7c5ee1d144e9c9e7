//! What lists have in common: they are cut at a limit, and many are of a district.

use clickhouse::{RowOwned, RowRead, query::Query};

use super::{Kind, Store};
use crate::QueryError;

/// What is meant of that which is kept by district; all parts hold together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DistrictFilter {
    /// That of a district, or of all that begin with these digits.
    pub district: Option<u32>,
    /// That in a state, or in what else a route takes for one, such as `escalated`.
    pub state: Option<&'static str>,
    /// That from this time on, in milliseconds since 1970.
    pub since_ms: i64,
}

impl DistrictFilter {
    /// The query with its parameters `district_from`, `district_to`, `state` and `since_ms`.
    pub(super) fn bind(&self, query: Query) -> Query {
        within(query, self.district).param("since_ms", self.since_ms).param("state", self.state.unwrap_or_default())
    }
}

impl Store {
    /// The rows of a query up to `limit`, its last parameter, and whether there are more.
    pub(super) async fn up_to<T: RowOwned + RowRead>(
        &self,
        kind: Kind,
        query: Query,
        limit: usize,
    ) -> Result<(Vec<T>, bool), QueryError> {
        Ok(cut(self.rows(kind, query.param("limit", limit + 1)).await?, limit))
    }

    /// The same of a history that is asked for with the newest first: its last rows, the oldest of them first.
    pub(super) async fn last_up_to<T: RowOwned + RowRead>(
        &self,
        kind: Kind,
        query: Query,
        limit: usize,
    ) -> Result<(Vec<T>, bool), QueryError> {
        let (mut rows, more) = self.up_to(kind, query, limit).await?;
        rows.reverse();
        Ok((rows, more))
    }
}

/// The first rows, and whether there are more.
pub(super) fn cut<T>(mut rows: Vec<T>, limit: usize) -> (Vec<T>, bool) {
    let more = rows.len() > limit;
    rows.truncate(limit);
    (rows, more)
}

/// The query with its parameters `district_from` and `district_to`.
pub(super) fn within(query: Query, area: Option<u32>) -> Query {
    let (from, to) = districts(area);
    query.param("district_from", from).param("district_to", to)
}

/// Whether an area lies within another one; both are codes of GB/T 2260 or their first digits.
pub fn lies_within(area: u32, whole: u32) -> bool {
    let ((from, to), (first, last)) = (districts(Some(area)), districts(Some(whole)));
    first <= from && to <= last
}

/// The six-digit codes that begin with the digits of an area.
fn districts(area: Option<u32>) -> (u32, u32) {
    let Some(mut from) = area else { return (0, u32::MAX) };
    let mut width = 1;
    while from > 0 && from < 100_000 {
        from *= 10;
        width *= 10;
    }
    (from, from + width - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_digits_stand_for_all_that_begin_with_them() {
        assert_eq!(districts(Some(310_101)), (310_101, 310_101));
        assert_eq!(districts(Some(3101)), (310_100, 310_199));
        assert_eq!(districts(Some(31)), (310_000, 319_999));
        assert_eq!(districts(None), (0, u32::MAX));
        assert!(lies_within(310_101, 31) && lies_within(3101, 3101) && lies_within(3101, 31));
        assert!(!lies_within(31, 3101) && !lies_within(310_104, 310_101) && !lies_within(3201, 31));
    }
}
