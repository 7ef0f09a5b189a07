//! Token buckets: how often each may do what. One table for a node, for requests, socket frames and log-ins.
//!
//! A bucket is one number, the time at which it will be full again, so a full bucket need not be kept at all. Time is
//! tokio's monotonic clock: a changed wall clock frees nobody, and tests run it paused.

use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use domain::{AgentId, Email, VisitorId, WorkspaceId};
use http::{HeaderName, HeaderValue};
use identity::{REFRESHES_MAX, SessionId};
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use crate::config::Limits;

/// Buckets that a node keeps; over it the fullest go, whose owners lose least by it.
const BUCKETS_MAX: usize = 100_000;

/// For [`REFRESHES_MAX`].
const REFRESHES_WINDOW: Duration = Duration::from_secs(30);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// What is limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Limit {
    /// Messages of one visitor, over HTTP and sockets together.
    VisitorSend,
    /// Messages of one agent, over HTTP and sockets together.
    AgentSend,
    /// Conversations started from one address.
    ConversationsOfAddress,
    /// Visitors made and tokens renewed from one address.
    VisitorsOfAddress,
    /// Wrong log-ins for one account from one address.
    LoginsOfAccount,
    /// Wrong log-ins for one account, from all addresses together.
    LoginsOfAccountEverywhere,
    /// Wrong log-ins from one address.
    LoginsOfAddress,
    /// Exchanges of one log-in's refresh tokens.
    RefreshesOfLogIn,
    /// Bytes that visitors upload from one address, also those of files that are refused.
    UploadsOfAddress,
    /// Sockets opened from one address that proved nobody: a wrong token, a malformed hello, no hello in time.
    FailedHellosOfAddress,
    /// Hellos with a good token from one address: as many at once as the node takes, and half as many in the long
    /// run, so that one address never has all of them.
    HellosOfAddress,
    /// Hellos with a good token, of all sockets of this node.
    Hellos,
    /// Requests that change something and are no messages, of one person or, without one, of one address.
    Changes,
    /// Bytes that one person reads, over HTTP and sockets together.
    ReadsOfPerson,
    /// Bytes that are read from one address, over HTTP and sockets together.
    ReadsOfAddress,
}

impl Limit {
    /// As `RateLimit` headers name it.
    pub const fn name(self) -> &'static str {
        match self {
            Limit::VisitorSend | Limit::AgentSend => "send",
            Limit::ConversationsOfAddress => "conversations",
            Limit::VisitorsOfAddress => "visitors",
            Limit::LoginsOfAccount => "logins-account",
            Limit::LoginsOfAccountEverywhere => "logins-everywhere",
            Limit::LoginsOfAddress => "logins-address",
            Limit::RefreshesOfLogIn => "refreshes",
            Limit::UploadsOfAddress => "uploads-address",
            Limit::FailedHellosOfAddress => "failed-hellos",
            Limit::HellosOfAddress | Limit::Hellos => "hellos",
            Limit::Changes => "changes",
            Limit::ReadsOfPerson => "reads",
            Limit::ReadsOfAddress => "reads-address",
        }
    }
}

/// Whose bucket it is: 16 bytes, without anything personal that could be read back from memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key([u8; 16]);

impl Key {
    /// One for all.
    pub const NODE: Key = Key([0; 16]);

    /// An address. Of IPv6 the first 64 bits: a household has as many addresses as it likes below them.
    pub fn of_address(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => Self(v4.to_ipv6_mapped().octets()),
            IpAddr::V6(v6) => Self((u128::from(v6) >> 64 << 64).to_be_bytes()),
        }
    }

    /// A visitor.
    pub fn of_visitor(id: VisitorId) -> Self {
        Self(*id.uuid().as_bytes())
    }

    /// An agent.
    pub fn of_agent(id: AgentId) -> Self {
        Self(*id.uuid().as_bytes())
    }

    /// An agent's log-in, also one that does not exist.
    pub fn of_log_in(id: SessionId) -> Self {
        Self(*id.as_bytes())
    }

    /// All of a workspace.
    pub fn of_workspace(id: WorkspaceId) -> Self {
        Self(*id.uuid().as_bytes())
    }

    /// An account, also one that does not exist.
    pub fn of_account(email: &Email) -> Self {
        let mut key = [0; 16];
        key.copy_from_slice(&Sha256::digest(email.as_str())[..16]);
        Self(key)
    }

    /// An account, as it is tried from this address.
    pub fn of_account_from(email: &Email, address: Key) -> Self {
        let mut key = [0; 16];
        let hash = Sha256::new().chain_update(address.0).chain_update(email.as_str()).finalize();
        key.copy_from_slice(&hash[..16]);
        Self(key)
    }

    /// As it is told apart from others.
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

/// How many at once, and how fast they come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    burst: u32,
    /// Until one token is back.
    period: Duration,
}

impl Quota {
    /// `burst` at once, `per_s` a second on average; none when `burst` is 0.
    pub fn burst(burst: u32, per_s: u32) -> Option<Self> {
        Self::of(burst, Duration::from_secs(1) / per_s.max(1))
    }

    /// `count` in `window`, all at once if one likes; none when `count` is 0.
    pub fn per(count: u32, window: Duration) -> Option<Self> {
        Self::of(count, window / count.max(1))
    }

    fn of(burst: u32, period: Duration) -> Option<Self> {
        (burst > 0).then_some(Self { burst, period })
    }

    /// From empty to full.
    fn window(&self) -> Duration {
        self.period * self.burst
    }

    /// `"send";q=60;w=60`.
    fn policy(&self, limit: Limit) -> HeaderValue {
        let text = format!("\"{}\";q={};w={}", limit.name(), self.burst, seconds_up(self.window()));
        HeaderValue::try_from(text).expect("a name and two numbers are a header value")
    }
}

/// A bucket by itself, for what needs no table: the frames of one socket.
#[derive(Clone, Copy, Debug)]
pub struct Bucket {
    quota: Quota,
    full_at: Instant,
}

impl Bucket {
    /// Full.
    pub fn full(quota: Quota) -> Self {
        Self { quota, full_at: Instant::now() }
    }

    /// The same, full again.
    pub fn refilled(self) -> Self {
        Self::full(self.quota)
    }

    /// Takes one, or says how long until there is one.
    pub fn take(&mut self) -> Result<(), Duration> {
        let now = Instant::now();
        let after = self.full_at.max(now) + self.quota.period;
        let over = after.duration_since(now).saturating_sub(self.quota.window());
        if !over.is_zero() {
            return Err(over);
        }
        self.full_at = after;
        Ok(())
    }

    /// Takes `cost`, also what is not there: the bucket then owes it, and nothing passes until that is paid.
    fn charge(&mut self, cost: u32) {
        self.full_at = self.full_at.max(Instant::now()) + self.quota.period * cost;
    }

    fn state(&self) -> State {
        let missing = self.full_at.saturating_duration_since(Instant::now());
        let left =
            self.quota.window().saturating_sub(missing).as_nanos() / self.quota.period.as_nanos().max(1);
        State { left: u32::try_from(left).unwrap_or(u32::MAX).min(self.quota.burst), full_in: missing }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct State {
    left: u32,
    full_in: Duration,
}

/// What came of taking from a bucket, or of looking into it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    limit: Limit,
    /// For `RateLimit-Policy`.
    pub policy: HeaderValue,
    state: State,
    /// How long until one may pass; none: this one may.
    pub retry_after: Option<Duration>,
}

impl Verdict {
    /// Both, for a refusal outside the judge, which puts them on every answer itself.
    pub fn headers(&self) -> [(HeaderName, HeaderValue); 2] {
        [(RATELIMIT_POLICY, self.policy.clone()), (RATELIMIT, self.remaining())]
    }

    /// For `RateLimit`: what is left, and the seconds until all is back.
    pub fn remaining(&self) -> HeaderValue {
        let text =
            format!("\"{}\";r={};t={}", self.limit.name(), self.state.left, seconds_up(self.state.full_in));
        HeaderValue::try_from(text).expect("a name and two numbers are a header value")
    }
}

/// `RateLimit`: what is left.
pub(crate) const RATELIMIT: HeaderName = HeaderName::from_static("ratelimit");
/// `RateLimit-Policy`: what there is.
pub(crate) const RATELIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// The same headers for what is not a rate: at most `max` at once, all of which are taken; worth trying again in `wait`.
pub(crate) fn headers_of_taken(name: &str, max: usize, wait: Duration) -> [(HeaderName, HeaderValue); 2] {
    let header = |text: String| HeaderValue::try_from(text).expect("a name and numbers are a header value");
    [
        (RATELIMIT_POLICY, header(format!("\"{name}\";q={max}"))),
        (RATELIMIT, header(format!("\"{name}\";r=0;t={}", seconds_up(wait)))),
    ]
}

fn seconds_up(duration: Duration) -> u64 {
    duration.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX)
}

/// A quota with its header, which is the same in every answer.
struct Policy {
    quota: Quota,
    header: HeaderValue,
}

impl Policy {
    fn of(limit: Limit, quota: Option<Quota>) -> Option<Self> {
        quota.map(|quota| Self { quota, header: quota.policy(limit) })
    }
}

/// What is configured; none: off.
struct Policies {
    visitor_send: Option<Policy>,
    agent_send: Option<Policy>,
    conversations_of_address: Option<Policy>,
    visitors_of_address: Option<Policy>,
    logins_of_account: Option<Policy>,
    logins_of_account_everywhere: Option<Policy>,
    logins_of_address: Option<Policy>,
    refreshes_of_log_in: Option<Policy>,
    uploads_of_address: Option<Policy>,
    failed_hellos_of_address: Option<Policy>,
    hellos_of_address: Option<Policy>,
    hellos: Option<Policy>,
    changes: Option<Policy>,
    reads_of_person: Option<Policy>,
    reads_of_address: Option<Policy>,
}

impl Policies {
    fn new(limits: &Limits) -> Self {
        let per_minute = |limit, count| Policy::of(limit, Quota::per(count, Duration::from_secs(60)));
        let per_15min = |limit, count| Policy::of(limit, Quota::per(count, Duration::from_secs(15 * 60)));
        let burst = |limit, burst, per_s| Policy::of(limit, Quota::burst(burst, per_s));
        Self {
            visitor_send: burst(Limit::VisitorSend, limits.visitor_send_burst, limits.visitor_send_per_s),
            agent_send: burst(Limit::AgentSend, limits.agent_send_burst, limits.agent_send_per_s),
            conversations_of_address: per_minute(
                Limit::ConversationsOfAddress,
                limits.conversations_per_minute_per_address,
            ),
            visitors_of_address: per_minute(Limit::VisitorsOfAddress, limits.visitors_per_minute_per_address),
            logins_of_account: per_15min(Limit::LoginsOfAccount, limits.logins_per_15min_per_account),
            logins_of_account_everywhere: per_15min(
                Limit::LoginsOfAccountEverywhere,
                limits.logins_per_15min_per_account_everywhere,
            ),
            logins_of_address: per_15min(Limit::LoginsOfAddress, limits.logins_per_15min_per_address),
            refreshes_of_log_in: Policy::of(
                Limit::RefreshesOfLogIn,
                Quota::per(REFRESHES_MAX, REFRESHES_WINDOW),
            ),
            uploads_of_address: Policy::of(
                Limit::UploadsOfAddress,
                Quota::per(limits.upload_bytes_per_day_per_address, DAY),
            ),
            failed_hellos_of_address: per_minute(
                Limit::FailedHellosOfAddress,
                limits.failed_hellos_per_minute_per_address,
            ),
            hellos_of_address: burst(Limit::HellosOfAddress, limits.hellos_per_s, limits.hellos_per_s / 2),
            hellos: burst(Limit::Hellos, limits.hellos_per_s, limits.hellos_per_s),
            changes: burst(Limit::Changes, limits.changes_burst, limits.changes_per_s),
            reads_of_person: burst(Limit::ReadsOfPerson, limits.read_bytes_burst, limits.read_bytes_per_s),
            reads_of_address: burst(
                Limit::ReadsOfAddress,
                limits.address_read_bytes_burst,
                limits.address_read_bytes_per_s,
            ),
        }
    }

    fn get(&self, limit: Limit) -> Option<&Policy> {
        match limit {
            Limit::VisitorSend => self.visitor_send.as_ref(),
            Limit::AgentSend => self.agent_send.as_ref(),
            Limit::ConversationsOfAddress => self.conversations_of_address.as_ref(),
            Limit::VisitorsOfAddress => self.visitors_of_address.as_ref(),
            Limit::LoginsOfAccount => self.logins_of_account.as_ref(),
            Limit::LoginsOfAccountEverywhere => self.logins_of_account_everywhere.as_ref(),
            Limit::LoginsOfAddress => self.logins_of_address.as_ref(),
            Limit::RefreshesOfLogIn => self.refreshes_of_log_in.as_ref(),
            Limit::UploadsOfAddress => self.uploads_of_address.as_ref(),
            Limit::FailedHellosOfAddress => self.failed_hellos_of_address.as_ref(),
            Limit::HellosOfAddress => self.hellos_of_address.as_ref(),
            Limit::Hellos => self.hellos.as_ref(),
            Limit::Changes => self.changes.as_ref(),
            Limit::ReadsOfPerson => self.reads_of_person.as_ref(),
            Limit::ReadsOfAddress => self.reads_of_address.as_ref(),
        }
    }
}

/// All buckets of a node.
pub struct Rates {
    policies: Policies,
    buckets: DashMap<(Limit, Key), Bucket>,
    /// About how many there are; the map itself would lock all its shards to say it.
    count: AtomicUsize,
}

impl Rates {
    /// Full buckets for everybody.
    pub fn new(limits: &Limits) -> Self {
        Self { policies: Policies::new(limits), buckets: DashMap::new(), count: AtomicUsize::new(0) }
    }

    /// Takes one, if there is one. None: this limit is off.
    pub fn take(&self, limit: Limit, key: Key) -> Option<Verdict> {
        let policy = self.policies.get(limit)?;
        let (taken, state) = self.with_bucket(limit, key, policy, |bucket| (bucket.take(), bucket.state()));
        Some(Verdict { limit, policy: policy.header.clone(), state, retry_after: taken.err() })
    }

    /// Takes `cost`, which was or is being paid already: what is not there is owed, and nothing passes until it is
    /// back. Asked with [`Self::peek`] before.
    pub fn charge(&self, limit: Limit, key: Key, cost: usize) {
        if let Some(policy) = self.policies.get(limit) {
            let cost = u32::try_from(cost).unwrap_or(u32::MAX);
            self.with_bucket(limit, key, policy, |bucket| bucket.charge(cost));
        }
    }

    fn with_bucket<T>(
        &self,
        limit: Limit,
        key: Key,
        policy: &Policy,
        work: impl FnOnce(&mut Bucket) -> T,
    ) -> T {
        let outcome = match self.buckets.entry((limit, key)) {
            Entry::Occupied(mut entry) => work(entry.get_mut()),
            Entry::Vacant(entry) => {
                self.count.fetch_add(1, Ordering::Relaxed);
                work(&mut entry.insert(Bucket::full(policy.quota)))
            }
        };
        if self.count.load(Ordering::Relaxed) > BUCKETS_MAX {
            self.sweep();
        }
        outcome
    }

    /// Looks whether there is one, and takes nothing. None: this limit is off.
    pub fn peek(&self, limit: Limit, key: Key) -> Option<Verdict> {
        let policy = self.policies.get(limit)?;
        let kept = self.buckets.get(&(limit, key)).map(|bucket| *bucket);
        let mut bucket = kept.unwrap_or_else(|| Bucket::full(policy.quota));
        let state = bucket.state();
        Some(Verdict { limit, policy: policy.header.clone(), state, retry_after: bucket.take().err() })
    }

    /// Puts one back that was taken for what then turned out not to count: a log-in with the right password.
    pub fn give_back(&self, limit: Limit, key: Key) {
        if let Some(mut bucket) = self.buckets.get_mut(&(limit, key)) {
            // A machine that was just started has no time so long ago; the bucket is then full anyway.
            bucket.full_at = bucket.full_at.checked_sub(bucket.quota.period).unwrap_or_else(Instant::now);
        }
    }

    /// Drops what is full; if that is not enough, the fullest eighth.
    fn sweep(&self) {
        let now = Instant::now();
        self.buckets.retain(|_, bucket| bucket.full_at > now);
        let excess = (self.buckets.len() + BUCKETS_MAX / 8).saturating_sub(BUCKETS_MAX);
        if excess > 0 {
            let mut full_at: Vec<Instant> = self.buckets.iter().map(|bucket| bucket.full_at).collect();
            if excess <= full_at.len() {
                let (_, &mut up_to, _) = full_at.select_nth_unstable(excess - 1);
                self.buckets.retain(|_, bucket| bucket.full_at > up_to);
            }
        }
        self.count.store(self.buckets.len(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
