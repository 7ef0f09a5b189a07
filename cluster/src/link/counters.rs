//! What is counted of the links to a peer, for `cluster status` and metrics.

/// Sums since the node started, over all links to a peer one after the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkCounters {
    /// Asks that this node took on for the peer; each ends as one of the next six, or nobody waits for it any more.
    pub asks: u64,
    /// Asks that were answered.
    pub answered: u64,
    /// Asks that never went to the wire: nothing was done.
    pub not_sent: u64,
    /// Asks whose budget was over before anything was done.
    pub expired: u64,
    /// Asks that the peer refused since it does too much: nothing was done. Those that this node refused are not in
    /// `asks`.
    pub overloaded: u64,
    /// Asks of which nobody knows whether they were done.
    pub lost: u64,
    /// Asks that their callers gave up.
    pub forgotten: u64,
    /// Asks, refused here: too many were in flight already.
    pub refused: u64,
    /// Answers that came after their ask had ended.
    pub late: u64,
    /// The peer's asks that came.
    pub asked: u64,
    /// The peer's asks that were refused, since their budget was over or too many were open.
    pub declined: u64,
    /// Tells that went to the wire.
    pub tells: u64,
    /// Tells that were left out, here or by the program that was to take them.
    pub tells_dropped: u64,
    /// Publications that went to the wire.
    pub publications: u64,
    /// Publications that were left out and stand under a `Gone`, on the way out or in.
    pub publications_gone: u64,
    /// Bytes that were made into frames for the wire.
    pub sent_bytes: u64,
    /// Bytes that were read.
    pub received_bytes: u64,
    /// Data links that stood.
    pub links: u64,
}

impl LinkCounters {
    /// Adds those of another link.
    pub(super) fn add(&mut self, other: &Self) {
        let Self {
            asks,
            answered,
            not_sent,
            expired,
            overloaded,
            lost,
            forgotten,
            refused,
            late,
            asked,
            declined,
            tells,
            tells_dropped,
            publications,
            publications_gone,
            sent_bytes,
            received_bytes,
            links,
        } = other;
        self.asks += asks;
        self.answered += answered;
        self.not_sent += not_sent;
        self.expired += expired;
        self.overloaded += overloaded;
        self.lost += lost;
        self.forgotten += forgotten;
        self.refused += refused;
        self.late += late;
        self.asked += asked;
        self.declined += declined;
        self.tells += tells;
        self.tells_dropped += tells_dropped;
        self.publications += publications;
        self.publications_gone += publications_gone;
        self.sent_bytes += sent_bytes;
        self.received_bytes += received_bytes;
        self.links += links;
    }
}
