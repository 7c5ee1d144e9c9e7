//! Which fault comes when: a function of the seed, so that a run can be repeated.

use std::fmt;
use std::time::Duration;

use rand::{Rng, SeedableRng, rngs::StdRng, seq::SliceRandom};

/// Longer than the session of a group member lasts (10 s): its partitions move away while it sleeps.
const LONGER_THAN_A_SESSION_MS: u64 = 12_500;

/// A process that can be struck.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    Gateway(usize),
    Processor(usize),
    Query,
    Broker,
    ClickHouse,
}

/// A way between processes that can be cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    GatewaysToKafka,
    ProcessorsToKafka,
    ProcessorsToClickHouse,
}

/// What happens to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Blow {
    /// SIGKILL, and a new process at the end of the round.
    Kill(Target),
    /// SIGSTOP, and SIGCONT at the end.
    Pause(Target),
    /// SIGTERM, and a new process once the old one has gone: one step of a rolling restart.
    Restart(Target),
    /// All connections break, and none is taken until the end.
    Cut(Way),
    /// A processor is killed while it cannot store what it has written down.
    KillWhileCut(usize),
    /// ClickHouse is killed after it has noted an insert's token and before it has kept the part, and nobody knows
    /// whether the insert was done. A kill hardly ever meets that moment, so it is made.
    KillInTheHole,
    /// A processor sleeps for longer than its session lasts and wakes up late, while another has its partitions.
    WakeLate(usize),
}

/// A blow, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Round {
    pub(super) blow: Blow,
    pub(super) lasts: Duration,
    /// Peace after it.
    pub(super) then: Duration,
}

/// The rounds of a seed: every kind of blow once in some order, then any of them.
pub(super) fn rounds(seed: u64, count: usize, gateways: usize, processors: usize) -> Vec<Round> {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut first = kinds(&mut rng, gateways, processors);
    first.shuffle(&mut rng);
    let mut rounds = Vec::with_capacity(count);
    while rounds.len() < count {
        let blow = match first.pop() {
            Some(blow) => blow,
            None => {
                let all = kinds(&mut rng, gateways, processors);
                all[rng.random_range(0..all.len())]
            }
        };
        let lasts_ms = match blow {
            Blow::WakeLate(_) => LONGER_THAN_A_SESSION_MS,
            Blow::Pause(_) | Blow::Cut(_) => rng.random_range(300..4_000),
            Blow::Kill(_) | Blow::Restart(_) => rng.random_range(0..1_500),
            // Long enough for a batch to be under way.
            Blow::KillWhileCut(_) | Blow::KillInTheHole => rng.random_range(800..2_500),
        };
        let then = Duration::from_millis(rng.random_range(200..2_500));
        rounds.push(Round { blow, lasts: Duration::from_millis(lasts_ms), then });
    }
    rounds
}

/// Every kind of blow, each at one of the processes of its kind.
fn kinds(rng: &mut StdRng, gateways: usize, processors: usize) -> Vec<Blow> {
    let mut gateway = || Target::Gateway(rng.random_range(0..gateways));
    let mut kinds = vec![Blow::Kill(gateway()), Blow::Pause(gateway()), Blow::Restart(gateway())];
    let mut processor = || rng.random_range(0..processors);
    kinds.extend([
        Blow::Kill(Target::Processor(processor())),
        Blow::Pause(Target::Processor(processor())),
        Blow::Restart(Target::Processor(processor())),
        Blow::KillWhileCut(processor()),
        Blow::WakeLate(processor()),
        Blow::KillInTheHole,
    ]);
    kinds.extend([Blow::Kill(Target::Query), Blow::Pause(Target::Query), Blow::Restart(Target::Query)]);
    for engine in [Target::Broker, Target::ClickHouse] {
        kinds.extend([Blow::Kill(engine), Blow::Pause(engine)]);
    }
    kinds.extend([Way::GatewaysToKafka, Way::ProcessorsToKafka, Way::ProcessorsToClickHouse].map(Blow::Cut));
    kinds
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gateway(number) => write!(f, "gateway {}", number + 1),
            Self::Processor(number) => write!(f, "processor {}", number + 1),
            Self::Query => f.write_str("query API"),
            Self::Broker => f.write_str("broker"),
            Self::ClickHouse => f.write_str("ClickHouse"),
        }
    }
}

impl fmt::Display for Blow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kill(target) => write!(f, "kill {target}"),
            Self::Pause(target) => write!(f, "pause {target}"),
            Self::Restart(target) => write!(f, "restart {target}"),
            Self::Cut(Way::GatewaysToKafka) => f.write_str("cut gateways off Kafka"),
            Self::Cut(Way::ProcessorsToKafka) => f.write_str("cut processors off Kafka"),
            Self::Cut(Way::ProcessorsToClickHouse) => f.write_str("cut processors off ClickHouse"),
            Self::KillWhileCut(number) => write!(f, "cut off ClickHouse, kill processor {}", number + 1),
            Self::KillInTheHole => f.write_str("kill ClickHouse before it kept a part"),
            Self::WakeLate(number) => write!(f, "let processor {} wake up late", number + 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_seed_gives_the_same_rounds_again_and_another_seed_others() {
        assert_eq!(rounds(7, 50, 2, 2), rounds(7, 50, 2, 2));
        assert_ne!(rounds(7, 50, 2, 2), rounds(8, 50, 2, 2));
    }

    #[test]
    fn every_kind_of_blow_comes_before_any_comes_again() {
        let kinds = kinds(&mut StdRng::seed_from_u64(1), 1, 1).len();
        for seed in 0..20 {
            let seen: HashSet<String> = rounds(seed, kinds, 1, 1).iter().map(|round| round.blow.to_string()).collect();
            assert_eq!(seen.len(), kinds);
        }
    }
}
