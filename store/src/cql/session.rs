//! The way to the servers: one session of the driver, the four ways in which statements are run, and what is counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use scylla::client::execution_profile::{ExecutionProfile, ExecutionProfileHandle};
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use scylla::errors::ExecutionError;
use scylla::policies::load_balancing::{DefaultPolicy, LoadBalancingPolicy};
use scylla::policies::retry::{DefaultRetryPolicy, FallthroughRetryPolicy};
use scylla::response::query_result::{QueryResult, QueryRowsResult};
use scylla::response::{PagingState, PagingStateResponse};
use scylla::serialize::row::SerializeRow;
use scylla::statement::batch::Batch;
use scylla::statement::prepared::PreparedStatement;
use scylla::statement::{Consistency, SerialConsistency};
use uuid::Uuid;

use crate::StoreError;

use super::outcome::{Columns, Conditional, Failure, Settled, answer, sort};
use super::reconnect::Sessions;
use super::{CqlOptions, OpenError, Reach, tls};

/// The target under which the driver logs. It warns of each connection that breaks, and of what we do on purpose: only its
/// errors are worth logging, as requests and metrics show servers that are away.
pub const DRIVER_LOG: &str = "scylla";
/// A frozen server is noticed after about two of these: with 1 s appends stalled for 2 s, with 5 s for 9 s.
const KEEP_ALIVE: Duration = Duration::from_secs(1);
/// How long a server has to say what it is.
pub(super) const ASK: Duration = Duration::from_secs(3);
/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(3);
/// How often a write or read is tried, counting the first.
const TRIES: u32 = 3;
/// The first pause between tries; each further one is twice as long, and each is drawn from half to all of it.
const PAUSE_MS: u64 = 20;

/// How a statement is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// With conditions: the driver never repeats it, and only `[applied]` is an answer.
    Conditional,
    /// In the batch of a conditional statement, and counted with that.
    Part,
    /// A read that sees every conditional write that was answered, and settles what is on its way.
    Serial,
    /// A plain write. Doing it twice changes nothing, so it is repeated.
    Write,
    /// A plain read.
    Read,
}

/// A statement that every server has prepared.
pub(super) struct Statement {
    prepared: PreparedStatement,
    counts: Arc<Counts>,
}

impl Statement {
    /// For a batch.
    pub(super) fn prepared(&self) -> PreparedStatement {
        self.prepared.clone()
    }
}

/// What came of the statements of one name.
#[derive(Debug, Default)]
struct Counts {
    name: &'static str,
    done: AtomicU64,
    refused: AtomicU64,
    unknown: AtomicU64,
    not_sent: AtomicU64,
    repeats: AtomicU64,
}

/// For metrics: what came of the statements of one name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatementStats {
    /// Which.
    pub name: &'static str,
    /// Answered: applied, written or read.
    pub done: u64,
    /// Answered: its conditions did not hold.
    pub refused: u64,
    /// Not answered in time, or with an error.
    pub unknown: u64,
    /// Never left this process.
    pub not_sent: u64,
    /// Tried again after one of the two before.
    pub repeats: u64,
}

/// The way to the servers.
pub(super) struct Cql {
    sessions: Sessions,
    profiles: Profiles,
    reach: Reach,
    statements: std::sync::Mutex<Vec<Arc<Counts>>>,
}

struct Profiles {
    conditional: ExecutionProfileHandle,
    /// The same by way of any copy.
    anywhere: ExecutionProfileHandle,
    plain: ExecutionProfileHandle,
}

impl Cql {
    /// Connects to the first server of `options` that answers.
    pub(super) async fn connect(options: &CqlOptions) -> Result<Self, OpenError> {
        let profiles = Profiles::of(options);
        let mut builder = SessionBuilder::new()
            .known_nodes(&options.nodes)
            .keepalive_interval(KEEP_ALIVE)
            .keepalive_timeout(KEEP_ALIVE)
            .connection_timeout(CONNECT)
            .tcp_nodelay(true)
            .keyspaces_to_fetch([options.keyspace.as_str()])
            .default_execution_profile_handle(profiles.plain.clone());
        if let Some(login) = &options.login {
            builder = builder.user(&login.user, &login.password);
        }
        if let Some(authority) = &options.tls_ca {
            builder = builder.tls_context(Some(tls::trusting(authority)?));
        }
        let session = builder.build().await.map_err(|error| OpenError::Unreachable {
            nodes: options.nodes.join(", "),
            cause: error.to_string(),
        })?;
        let sessions = Sessions::keep(session, builder, options.keyspace.clone(), options.datacenter.clone());
        Ok(Self { sessions, profiles, reach: options.reach, statements: std::sync::Mutex::default() })
    }

    /// The one that has servers now.
    pub(super) fn session(&self) -> Arc<Session> {
        self.sessions.current()
    }

    /// Has all servers know a statement. `name` is what it is counted under.
    pub(super) async fn prepare(
        &self,
        name: &'static str,
        way: Way,
        cql: &str,
    ) -> Result<Statement, OpenError> {
        let mut prepared = self
            .session()
            .prepare(cql)
            .await
            .map_err(|error| OpenError::Statement { statement: name, cause: error.to_string() })?;
        let profile = match way {
            Way::Conditional | Way::Part | Way::Serial => &self.profiles.conditional,
            Way::Write | Way::Read => &self.profiles.plain,
        };
        prepared.set_execution_profile_handle(Some(profile.clone()));
        if way == Way::Serial {
            prepared.set_consistency(self.reach.serial_read());
        }
        prepared.set_is_idempotent(matches!(way, Way::Serial | Way::Write | Way::Read));
        let counts = Arc::new(Counts { name, ..Counts::default() });
        if way == Way::Part {
            return Ok(Statement { prepared, counts });
        }
        self.statements.lock().expect("nobody panics while holding it").push(Arc::clone(&counts));
        Ok(Statement { prepared, counts })
    }

    /// Runs a conditional statement once.
    pub(super) async fn conditional(
        &self,
        statement: &Statement,
        values: impl SerializeRow,
    ) -> Result<Conditional, Failure> {
        self.conditional_row(statement, values).await.map(|(conditional, _)| conditional)
    }

    /// Runs a conditional statement, the same again and again, until it is answered.
    pub(super) async fn settle(
        &self,
        statement: &Statement,
        values: impl SerializeRow,
    ) -> Result<Settled, Failure> {
        self.settled(statement, || self.conditional(statement, &values)).await
    }

    /// Runs a conditional statement once, and returns what came with the answer.
    pub(super) async fn conditional_row(
        &self,
        statement: &Statement,
        values: impl SerializeRow,
    ) -> Result<(Conditional, Columns), Failure> {
        let answered = answer(self.session().execute_unpaged(&statement.prepared, values).await);
        count_conditional(&statement.counts, answered)
    }

    /// Runs a conditional statement (the first) and what hangs on its condition once, as one, all or nothing. `anywhere`:
    /// by way of any copy, since the first one may be frozen.
    pub(super) async fn conditional_batch<V: SerializeRow>(
        &self,
        first: &Statement,
        mut batch: Batch,
        values: &[V],
        anywhere: bool,
    ) -> Result<(Conditional, Columns), Failure> {
        let Profiles { conditional, anywhere: any_copy, .. } = &self.profiles;
        // The driver takes a batch's profile from the batch alone.
        batch.set_execution_profile_handle(Some(if anywhere { any_copy } else { conditional }.clone()));
        first.counts.repeats.fetch_add(u64::from(anywhere), Ordering::Relaxed);
        count_conditional(&first.counts, answer(self.session().batch(&batch, values).await))
    }

    /// Writes several rows of one partition as one, once. Counted as the first.
    pub(super) async fn write_batch<V: SerializeRow>(
        &self,
        first: &Statement,
        mut batch: Batch,
        values: &[V],
    ) -> Result<(), Failure> {
        batch.set_execution_profile_handle(Some(self.profiles.plain.clone()));
        batch.set_is_idempotent(true);
        self.once(first, self.session().batch(&batch, values).await).map(drop)
    }

    /// Writes, and leaves it to the caller to try again.
    pub(super) async fn write_once(
        &self,
        statement: &Statement,
        values: impl SerializeRow,
    ) -> Result<(), Failure> {
        let answer = self.session().execute_unpaged(&statement.prepared, values).await;
        self.once(statement, answer).map(drop)
    }

    /// Reads all rows that a statement gives, which must be bounded by it, and leaves it to the caller to try again.
    pub(super) async fn read_once(
        &self,
        statement: &Statement,
        values: impl SerializeRow,
    ) -> Result<QueryRowsResult, Failure> {
        let answer = self.session().execute_unpaged(&statement.prepared, values).await;
        rows_of(self.once(statement, answer)?)
    }

    fn once<T>(&self, statement: &Statement, answer: Result<T, ExecutionError>) -> Result<T, Failure> {
        let answer = answer.map_err(|error| statement.counts.count_failure(sort(&error)))?;
        statement.counts.done.fetch_add(1, Ordering::Relaxed);
        Ok(answer)
    }

    async fn settled<A: Future<Output = Result<Conditional, Failure>>>(
        &self,
        statement: &Statement,
        attempt: impl Fn() -> A,
    ) -> Result<Settled, Failure> {
        let mut tries = Tries::default();
        let mut unanswered = false;
        loop {
            let failure = match attempt().await {
                Ok(Conditional::Applied) => return Ok(Settled::Applied),
                Ok(Conditional::Refused) if unanswered => return Ok(Settled::Perhaps),
                Ok(Conditional::Refused) => return Ok(Settled::Refused),
                Err(failure) => failure,
            };
            unanswered |= matches!(failure, Failure::Unknown(_));
            if !tries.again(statement).await {
                return Err(failure.after(unanswered));
            }
        }
    }

    /// Writes, and tries again when it is not answered.
    pub(super) async fn write(
        &self,
        statement: &Statement,
        values: impl SerializeRow,
    ) -> Result<(), Failure> {
        self.plain(statement, values).await.map(drop)
    }

    /// Reads all rows that a statement gives, which must be bounded by it.
    pub(super) async fn read(
        &self,
        statement: &Statement,
        values: impl SerializeRow,
    ) -> Result<QueryRowsResult, Failure> {
        rows_of(self.plain(statement, values).await?)
    }

    /// A page of what a statement without values gives, of about `limit` rows, and where the next one begins.
    pub(super) async fn page(
        &self,
        statement: &Statement,
        after: Option<Vec<u8>>,
        limit: usize,
    ) -> Result<(QueryRowsResult, Option<Vec<u8>>), StoreError> {
        let mut prepared = statement.prepared.clone();
        prepared.set_page_size(i32::try_from(limit).unwrap_or(i32::MAX));
        let attempt = || async {
            let from = after.clone().map_or_else(PagingState::start, PagingState::new_from_raw_bytes);
            self.session().execute_single_page(&prepared, (), from).await
        };
        let (result, next) = self.answered(statement, attempt).await?;
        let next = match next {
            PagingStateResponse::HasMorePages { state } => state.as_bytes_slice().map(|bytes| bytes.to_vec()),
            PagingStateResponse::NoMorePages => None,
        };
        Ok((result.into_rows_result().map_err(unreadable)?, next))
    }

    async fn plain(&self, statement: &Statement, values: impl SerializeRow) -> Result<QueryResult, Failure> {
        let attempt = || async { self.session().execute_unpaged(&statement.prepared, &values).await };
        self.answered(statement, attempt).await
    }

    /// Tries until there is an answer, a few times.
    async fn answered<T, A: Future<Output = Result<T, ExecutionError>>>(
        &self,
        statement: &Statement,
        attempt: impl Fn() -> A,
    ) -> Result<T, Failure> {
        let mut tries = Tries::default();
        let mut unanswered = false;
        loop {
            let failure = match attempt().await {
                Ok(answer) => {
                    statement.counts.done.fetch_add(1, Ordering::Relaxed);
                    return Ok(answer);
                }
                Err(error) => statement.counts.count_failure(sort(&error)),
            };
            unanswered |= matches!(failure, Failure::Unknown(_));
            if !tries.again(statement).await {
                return Err(failure.after(unanswered));
            }
        }
    }

    /// What every statement came to since the start.
    pub(super) fn stats(&self) -> Vec<StatementStats> {
        let statements = self.statements.lock().expect("nobody panics while holding it");
        statements.iter().map(|counts| counts.stats()).collect()
    }

    /// Connections to all servers now.
    pub(super) fn connections(&self) -> u64 {
        self.session().get_metrics().get_total_connections()
    }
}

fn count_conditional(
    counts: &Counts,
    answer: Result<(Conditional, Columns), Failure>,
) -> Result<(Conditional, Columns), Failure> {
    let count = match &answer {
        Ok((Conditional::Applied, _)) => &counts.done,
        Ok((Conditional::Refused, _)) => &counts.refused,
        Err(_) => return answer.map_err(|failure| counts.count_failure(failure)),
    };
    count.fetch_add(1, Ordering::Relaxed);
    answer
}

fn rows_of(result: QueryResult) -> Result<QueryRowsResult, Failure> {
    result.into_rows_result().map_err(|error| Failure::Unknown(format!("an answer without rows: {error}")))
}

/// What the store holds is not what a program of this version wrote.
pub(super) fn unreadable(error: impl std::fmt::Display) -> StoreError {
    StoreError::Corrupt(format!("an answer of the store: {error}"))
}

/// How often something was tried, and the pauses between.
#[derive(Debug)]
pub(super) struct Tries {
    made: u32,
    max: u32,
}

impl Default for Tries {
    fn default() -> Self {
        Self::up_to(TRIES)
    }
}

impl Tries {
    pub(super) fn up_to(max: u32) -> Self {
        Self { made: 0, max }
    }

    /// After a failure: waits a little and returns whether to try again.
    pub(super) async fn again(&mut self, statement: &Statement) -> bool {
        let again = self.pause(Uuid::new_v4()).await;
        statement.counts.repeats.fetch_add(u64::from(again), Ordering::Relaxed);
        again
    }

    /// Waits a little and returns whether to go on. `random` keeps rivals from meeting again at the same time.
    pub(super) async fn pause(&mut self, random: Uuid) -> bool {
        self.made += 1;
        if self.made >= self.max {
            return false;
        }
        let longest_ms = PAUSE_MS << self.made;
        let drawn_ms = longest_ms / 2 + random.as_u128() as u64 % (longest_ms / 2);
        tokio::time::sleep(Duration::from_millis(drawn_ms)).await;
        true
    }
}

impl Counts {
    fn count_failure(&self, failure: Failure) -> Failure {
        let count = match &failure {
            Failure::NotSent(_) => &self.not_sent,
            Failure::Unknown(_) => &self.unknown,
        };
        count.fetch_add(1, Ordering::Relaxed);
        failure
    }

    fn stats(&self) -> StatementStats {
        StatementStats {
            name: self.name,
            done: self.done.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
            unknown: self.unknown.load(Ordering::Relaxed),
            not_sent: self.not_sent.load(Ordering::Relaxed),
            repeats: self.repeats.load(Ordering::Relaxed),
        }
    }
}

impl Profiles {
    fn of(options: &CqlOptions) -> Self {
        let profile = |policy| {
            ExecutionProfile::builder()
                .consistency(options.reach.quorum())
                .serial_consistency(Some(options.reach.serial()))
                .request_timeout(Some(options.attempt))
                .load_balancing_policy(policy)
        };
        // One segment's conditional statements go to one server while it is there: coordinators that fight for a partition
        // only wait for each other.
        let fallthrough = Arc::new(FallthroughRetryPolicy::new());
        let conditional = profile(balancing(options, false)).retry_policy(fallthrough.clone());
        let anywhere = profile(balancing(options, true)).retry_policy(fallthrough);
        let conditional = conditional.build().into_handle_with_label("conditional".into());
        let anywhere = anywhere.build().into_handle_with_label("anywhere".into());
        let plain = profile(balancing(options, true))
            .retry_policy(Arc::new(DefaultRetryPolicy::new()))
            .build()
            .into_handle_with_label("plain".into());
        Self { conditional, anywhere, plain }
    }
}

fn balancing(options: &CqlOptions, shuffled: bool) -> Arc<dyn LoadBalancingPolicy> {
    let builder = DefaultPolicy::builder().token_aware(true).enable_shuffling_replicas(shuffled);
    match &options.datacenter {
        Some(datacenter) => builder.prefer_datacenter(datacenter.clone()).build(),
        None => builder.build(),
    }
}

impl Reach {
    fn quorum(self) -> Consistency {
        match self {
            Reach::Datacenter => Consistency::LocalQuorum,
            Reach::AllDatacenters => Consistency::Quorum,
        }
    }

    fn serial(self) -> SerialConsistency {
        match self {
            Reach::Datacenter => SerialConsistency::LocalSerial,
            Reach::AllDatacenters => SerialConsistency::Serial,
        }
    }

    fn serial_read(self) -> Consistency {
        match self {
            Reach::Datacenter => Consistency::LocalSerial,
            Reach::AllDatacenters => Consistency::Serial,
        }
    }
}
