//! Whether Kafka is in reach, judged from what is seen of it. Pure; time is an argument.
//!
//! It turns to the spool on the first trouble, and back only when Kafka has taken something and has then been without
//! trouble for a while; that while doubles when the turn back was too early, so a Kafka that comes and goes does not
//! make the gateway flap.

use std::time::Duration;

/// How long Kafka must be without trouble at first.
const FIRST_HOLD: Duration = Duration::from_secs(1);
/// The longest it must be.
const LONGEST_HOLD: Duration = Duration::from_secs(30);
/// After so long without an outage the next one begins with the first hold again.
const FORGIVEN_AFTER: Duration = Duration::from_secs(60);

/// What was seen of Kafka since the last look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sight {
    /// Messages were given up, or no broker could be reached.
    pub trouble: bool,
    /// What was sent while spooling was acknowledged.
    pub probed: bool,
    /// How long the oldest message has been waiting to be acknowledged.
    pub oldest: Duration,
}

/// The judgement; times are those of one clock that never goes back.
#[derive(Debug)]
pub struct Reach {
    patience: Duration,
    hold: Duration,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    InReach { since: Duration },
    OutOfReach { trouble_at: Duration, probed: bool },
}

impl Reach {
    /// In reach until seen otherwise: an acknowledgement may take as long as `patience`.
    pub const fn new(patience: Duration) -> Self {
        Self { patience, hold: FIRST_HOLD, state: State::InReach { since: Duration::ZERO } }
    }

    /// Judges what was seen up to `now`; returns whether Kafka is in reach.
    pub fn look(&mut self, now: Duration, sight: Sight) -> bool {
        let trouble = sight.trouble || sight.oldest > self.patience;
        self.state = match self.state {
            State::InReach { since } if trouble => {
                let early = !since.is_zero() && now.saturating_sub(since) < FORGIVEN_AFTER;
                self.hold = if early { (self.hold * 2).min(LONGEST_HOLD) } else { FIRST_HOLD };
                State::OutOfReach { trouble_at: now, probed: false }
            }
            State::OutOfReach { .. } if trouble => State::OutOfReach { trouble_at: now, probed: false },
            State::OutOfReach { trouble_at, probed } => {
                let probed = probed || sight.probed;
                if probed && now.saturating_sub(trouble_at) >= self.hold {
                    State::InReach { since: now }
                } else {
                    State::OutOfReach { trouble_at, probed }
                }
            }
            in_reach @ State::InReach { .. } => in_reach,
        };
        matches!(self.state, State::InReach { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUIET: Sight = Sight { trouble: false, probed: false, oldest: Duration::ZERO };
    const TROUBLE: Sight = Sight { trouble: true, ..QUIET };
    const PROBED: Sight = Sight { probed: true, ..QUIET };

    fn s(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    #[test]
    fn trouble_and_a_message_that_waits_too_long_both_mean_out_of_reach() {
        let mut reach = Reach::new(s(1.0));
        assert!(reach.look(s(5.0), Sight { oldest: s(0.9), ..QUIET }));
        assert!(!reach.look(s(5.1), Sight { oldest: s(1.1), ..QUIET }));
        let mut reach = Reach::new(s(1.0));
        assert!(!reach.look(s(5.0), TROUBLE));
    }

    #[test]
    fn the_way_back_takes_an_acknowledgement_and_a_quiet_while() {
        let mut reach = Reach::new(s(1.0));
        assert!(!reach.look(s(10.0), TROUBLE));
        assert!(!reach.look(s(100.0), QUIET), "no word from Kafka");
        assert!(!reach.look(s(100.1), TROUBLE));
        assert!(!reach.look(s(100.6), PROBED), "too soon");
        assert!(!reach.look(s(101.0), QUIET));
        assert!(reach.look(s(101.1), QUIET));
        assert!(!reach.look(s(200.0), TROUBLE));
        assert!(!reach.look(s(200.9), PROBED));
        assert!(!reach.look(s(200.95), TROUBLE), "trouble after an acknowledgement starts over");
        assert!(!reach.look(s(203.0), QUIET));
        assert!(reach.look(s(203.1), PROBED));
    }

    #[test]
    fn kafka_that_comes_and_goes_is_held_off_for_longer_each_time() {
        let mut reach = Reach::new(s(1.0));
        let mut now = s(10.0);
        let mut holds = Vec::new();
        for _ in 0..7 {
            assert!(!reach.look(now, TROUBLE));
            let gone = now;
            while !reach.look(now, PROBED) {
                now += s(0.1);
            }
            holds.push((now - gone).as_secs());
            now += s(5.0);
        }
        assert_eq!(holds, [1, 2, 4, 8, 16, 30, 30]);
        now += s(100.0);
        assert!(!reach.look(now, TROUBLE));
        assert!(reach.look(now + s(1.1), PROBED), "an outage long after is a new one");
    }
}
