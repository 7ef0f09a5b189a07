//! Which requests meet with what, and how often.

use std::fmt;
use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The node gets it at once.
    Executed,
    /// The node never gets it.
    Lost,
    /// The node gets it so much later, also when its client has gone meanwhile.
    Late(Duration),
}

/// What the client hears in place of the node's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Nothing.
    Nothing,
    /// An error; when the request is executed it comes in place of the answer, else at once.
    Error(CqlError),
    /// The end of its connection; when the request is executed it comes in place of the answer, else at once.
    Cut,
}

/// An error as a node would answer it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CqlError {
    /// The server stumbled.
    ServerError,
    /// Too few nodes are there.
    Unavailable,
    /// It has too much to do.
    Overloaded,
    /// Too few nodes have answered a plain write.
    WriteTimeout,
    /// Too few nodes have answered a conditional write.
    CasWriteTimeout,
    /// Too few nodes have answered a batch.
    BatchWriteTimeout,
    /// A node has failed a plain write.
    WriteFailure,
    /// Too few nodes have answered a read.
    ReadTimeout,
    /// A node has failed a read.
    ReadFailure,
}

/// What happens to a request that a rule picks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What becomes of it.
    pub fate: Fate,
    /// What its client hears.
    pub heard: Heard,
}

impl Fault {
    /// It is executed, and the client hears nothing.
    pub const DROP_ANSWER: Self = Self { fate: Fate::Executed, heard: Heard::Nothing };
    /// It is never executed, and the client hears nothing.
    pub const DROP_REQUEST: Self = Self { fate: Fate::Lost, heard: Heard::Nothing };
    /// It is executed, and then the client's connection ends.
    pub const CUT: Self = Self { fate: Fate::Executed, heard: Heard::Cut };

    /// It is executed after so long, and the client hears nothing.
    pub fn late(delay: Duration) -> Self {
        Self { fate: Fate::Late(delay), heard: Heard::Nothing }
    }

    /// It is executed, and the client hears an error.
    pub fn executed_with(error: CqlError) -> Self {
        Self { fate: Fate::Executed, heard: Heard::Error(error) }
    }

    /// It is not executed, and the client hears an error.
    pub fn lost_with(error: CqlError) -> Self {
        Self { fate: Fate::Lost, heard: Heard::Error(error) }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fate = match self.fate {
            Fate::Executed => "executed",
            Fate::Lost => "lost",
            Fate::Late(_) => "late",
        };
        match self.heard {
            Heard::Nothing => write!(to, "{fate}, unheard"),
            Heard::Error(error) => write!(to, "{fate}, {error:?}"),
            Heard::Cut => write!(to, "{fate}, cut"),
        }
    }
}

/// Picks requests, and says what happens to them.
#[derive(Clone, Debug)]
pub struct Rule {
    fault: Fault,
    words: Vec<String>,
    probability: f64,
    /// None: without end.
    left: Option<u64>,
}

impl Rule {
    /// Picks every QUERY, EXECUTE and BATCH, but what reads the keyspaces `system...`.
    pub fn new(fault: Fault) -> Self {
        Self { fault, words: Vec::new(), probability: 1.0, left: None }
    }

    /// Only those whose statement, in a batch the first one, contains these words (each white space in it is taken for
    /// one blank). Once more: these words too.
    pub fn on(mut self, words: &str) -> Self {
        self.words.push(words.to_owned());
        self
    }

    /// Only one in so many, by chance.
    pub fn with_probability(mut self, probability: f64) -> Self {
        self.probability = probability;
        self
    }

    /// Only so often.
    pub fn times(mut self, times: u64) -> Self {
        self.left = Some(times);
        self
    }

    /// The fault of the first of `rules` that picks a request with this statement.
    pub(super) fn pick(rules: &mut [Self], statement: &str, chance: &mut StdRng) -> Option<Fault> {
        if statement.contains(" system.") || statement.contains(" system_") {
            return None;
        }
        let fits =
            |rule: &Self| rule.words.iter().all(|words| statement.contains(words)) && rule.left != Some(0);
        let picked = rules.iter_mut().find(|rule| fits(rule) && chance.random_bool(rule.probability))?;
        picked.left = picked.left.map(|left| left - 1);
        Some(picked.fault)
    }
}

impl CqlError {
    /// The body of its ERROR frame.
    pub(super) fn body(self) -> Vec<u8> {
        const QUORUM: &[u8] = b"\0\x04";
        const SERIAL: &[u8] = b"\0\x08";
        // How many nodes answered, and how many should have.
        const ONE_OF_TWO: &[u8] = b"\0\0\0\x01\0\0\0\x02";
        const NONE_OF_TWO: &[u8] = b"\0\0\0\0\0\0\0\x02";
        const ONE_FAILED: &[u8] = b"\0\0\0\x01";
        let (code, detail): (u32, Vec<&[u8]>) = match self {
            Self::ServerError => (0x0000, vec![]),
            // It says first how many are needed.
            Self::Unavailable => (0x1000, vec![QUORUM, b"\0\0\0\x02\0\0\0\x01"]),
            Self::Overloaded => (0x1001, vec![]),
            Self::WriteTimeout => (0x1100, vec![QUORUM, ONE_OF_TWO, b"\0\x06SIMPLE"]),
            Self::CasWriteTimeout => (0x1100, vec![SERIAL, ONE_OF_TWO, b"\0\x03CAS"]),
            Self::BatchWriteTimeout => (0x1100, vec![QUORUM, ONE_OF_TWO, b"\0\x05BATCH"]),
            Self::WriteFailure => (0x1500, vec![QUORUM, ONE_OF_TWO, ONE_FAILED, b"\0\x06SIMPLE"]),
            Self::ReadTimeout => (0x1200, vec![QUORUM, NONE_OF_TWO, b"\0"]),
            Self::ReadFailure => (0x1300, vec![QUORUM, NONE_OF_TWO, ONE_FAILED, b"\0"]),
        };
        error_body(code, "injected by the proxy", &detail.concat())
    }
}

/// The body of an ERROR frame.
pub(super) fn error_body(code: u32, message: &str, detail: &[u8]) -> Vec<u8> {
    let mut body = code.to_be_bytes().to_vec();
    body.extend(u16::try_from(message.len()).expect("the proxy writes short messages").to_be_bytes());
    body.extend(message.as_bytes());
    body.extend(detail);
    body
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    fn picks(mut rules: Vec<Rule>, statements: &[&str], seed: u64) -> Vec<Option<Fault>> {
        let mut chance = StdRng::seed_from_u64(seed);
        statements.iter().map(|statement| Rule::pick(&mut rules, statement, &mut chance)).collect()
    }

    #[test]
    fn the_first_rule_that_fits_picks_and_only_as_often_as_it_may() {
        let rules = vec![
            Rule::new(Fault::CUT).on("UPDATE log").on("IF claim").times(2),
            Rule::new(Fault::DROP_ANSWER).on("UPDATE"),
        ];
        let claim = "UPDATE log SET epoch = ? WHERE k = ? IF claim = ?";
        let statements = [claim, "SELECT a FROM log", "UPDATE heads SET a = ?", claim, claim];
        let (cut, drop) = (Some(Fault::CUT), Some(Fault::DROP_ANSWER));
        assert_eq!(picks(rules, &statements, 1), [cut, None, drop, cut, drop]);
    }

    #[test]
    fn what_the_driver_reads_for_itself_is_left_alone() {
        let rules = vec![Rule::new(Fault::CUT)];
        let statements = ["SELECT a FROM system.local", "SELECT a FROM system_schema.tables"];
        assert_eq!(picks(rules, &statements, 1), [None, None]);
    }

    #[test]
    fn one_seed_makes_one_choice() {
        let rules = || vec![Rule::new(Fault::CUT).with_probability(0.3)];
        let statements = ["UPDATE a"; 1_000];
        let picked = picks(rules(), &statements, 7);
        assert_eq!(picked, picks(rules(), &statements, 7));
        assert_ne!(picked, picks(rules(), &statements, 8));
        let count = picked.iter().flatten().count();
        assert!((240..360).contains(&count), "{count} of 1,000 at a chance of 0.3");
    }
}
