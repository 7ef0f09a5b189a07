//! What HTTP hands to a socket.

use std::net::IpAddr;

use domain::Origin;

use crate::errors::RequestId;
use crate::rates::seats::Seat;

/// What a socket's session starts with.
pub struct Handover {
    /// The client's address, through trusted proxies.
    pub peer: IpAddr,
    /// The page that it stands on; none: no browser, or a page without an origin that a site could list.
    pub origin: Option<Origin>,
    /// Names the request that opened it.
    pub request_id: RequestId,
    /// Its place among its address's sockets; to be held as long as it is open.
    pub seat: Seat,
}
