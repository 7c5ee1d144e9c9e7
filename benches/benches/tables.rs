//! Looking a person up among ten million, as each scan does: the gateway's table and the `hashbrown` map in 256 shards
//! that it was before, in one run.

use std::hint::black_box;

use anyhow::Context;
use criterion::Criterion;
use hashbrown::HashMap;
use ingest::tables::Tables;
use parking_lot::RwLock;
use schemas::PersonKey;

const PEOPLE: u64 = 10_000_000;
const SHARDS: u64 = 256;

/// A person; keys are as random as those of documents. The people from [`PEOPLE`] on are unknown.
fn person(number: u64) -> PersonKey {
    let scattered = (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let scattered = (scattered ^ (scattered >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 4;
    PersonKey::from_u64(scattered | 1 << 60).unwrap_or_else(|| unreachable!("its first digit is 1"))
}

fn main() -> anyhow::Result<()> {
    let mut criterion = Criterion::default().configure_from_args();
    let shards: Vec<RwLock<HashMap<u64, [u32; 4]>>> = (0..SHARDS).map(|_| RwLock::default()).collect();
    let tables = Tables::default();
    for number in 0..PEOPLE {
        let key = person(number);
        shards[(key.to_u64() % SHARDS) as usize].write().insert(key.to_u64(), [number as u32; 4]);
        let message = format!(
            r#"{{"v":1,"person":"{key}","colour":"green","since":1653000000,"issuer":"I","evidence":"E","reason":"R"}}"#
        );
        tables.apply_health(None, Some(message.as_bytes()), 0).context("the message must be valid")?;
    }
    // In an order that no prefetcher knows.
    let visit = |from: u64| (0..1u64 << 20).map(move |n| person(from + n.wrapping_mul(7_368_787) % PEOPLE)).collect();
    for (name, people) in [("hit", visit(0)), ("miss", visit(PEOPLE))] {
        let people: Vec<PersonKey> = people;
        // Each look-up waits for the one before, as a scan waits for its own: side by side, misses of the cache overlap.
        let mut next = people.iter().cycle();
        let mut turn = move |found: u32| next.next().map_or(0, |person| person.to_u64() ^ u64::from(found >> 31));
        let mut found = 0;
        criterion.bench_function(&format!("person_{name}_hashbrown"), |b| {
            b.iter(|| {
                let key = turn(found);
                let row = shards[(key % SHARDS) as usize].read().get(&key).copied();
                found = row.map_or(0, |row| row[0]);
                black_box(row)
            });
        });
        criterion.bench_function(&format!("person_{name}_ordered"), |b| {
            b.iter(|| {
                let record = PersonKey::from_u64(turn(found)).map(|person| tables.health(person).to_health());
                found = record.map_or(0, |health| health.colour as u32);
                black_box(record)
            });
        });
    }
    criterion.final_summary();
    Ok(())
}
