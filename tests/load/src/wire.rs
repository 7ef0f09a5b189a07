//! One kept HTTP/1.1 connection with blocking reads: the cheapest client there is, so that the load programs fit on
//! one core beside a server that has the other.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Past this the run fails: no server that answers needs it.
const TIMEOUT: Duration = Duration::from_secs(30);
const HEADERS_MAX: usize = 32;
const READ_BYTES: usize = 4 * 1024;

pub(crate) struct Wire {
    stream: TcpStream,
    host: String,
    token: String,
    /// Kept for its space.
    request: Vec<u8>,
    /// Kept for its space.
    answer: Vec<u8>,
}

/// Where the answer's parts are.
pub(crate) struct Head {
    pub(crate) status: u16,
    /// Of the head itself.
    pub(crate) length: usize,
    pub(crate) body_bytes: usize,
}

impl Wire {
    /// For requests of the caller with this bearer token.
    pub(crate) fn open(address: SocketAddr, token: String) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        let host = address.to_string();
        Ok(Self { stream, host, token, request: Vec::new(), answer: Vec::new() })
    }

    /// Gets it, waits for the whole answer, and gives its status and its body.
    pub(crate) fn get(&mut self, path: &str) -> io::Result<(u16, &[u8])> {
        let Self { host, token, request, .. } = self;
        request.clear();
        write!(request, "GET {path} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {token}\r\n\r\n")?;
        self.exchange()
    }

    /// Posts a body of JSON, waits for the whole answer, and gives its status and its body.
    pub(crate) fn post(&mut self, path: &str, body: &str) -> io::Result<(u16, &[u8])> {
        let Self { host, token, request, .. } = self;
        request.clear();
        write!(
            request,
            "POST {path} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {token}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )?;
        self.exchange()
    }

    fn exchange(&mut self) -> io::Result<(u16, &[u8])> {
        let Self { stream, request, answer, .. } = self;
        stream.write_all(request)?;

        answer.clear();
        let mut page = [0; READ_BYTES];
        loop {
            let read = stream.read(&mut page)?;
            if read == 0 {
                return Err(io::Error::other("the server closed a kept connection"));
            }
            answer.extend_from_slice(&page[..read]);
            if let Some(head) = parse(answer)?
                && answer.len() >= head.length + head.body_bytes
            {
                return Ok((head.status, &answer[head.length..]));
            }
        }
    }
}

/// None: the head is not complete.
pub(crate) fn parse(answer: &[u8]) -> io::Result<Option<Head>> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut response = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(length) = response.parse(answer).map_err(io::Error::other)? else {
        return Ok(None);
    };
    let body_bytes = response
        .headers
        .iter()
        .find(|header| header.name.eq_ignore_ascii_case("content-length"))
        .and_then(|header| std::str::from_utf8(header.value).ok()?.parse().ok())
        .ok_or_else(|| io::Error::other("an answer without a length"))?;
    let status = response.code.expect("a complete head has a status");
    Ok(Some(Head { status, length, body_bytes }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn an_answer_that_comes_in_pieces_is_whole() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; READ_BYTES];
            let read = stream.read(&mut request).unwrap();
            for piece in ["HTTP/1.1 201 Created\r\ncontent-", "length: 4\r\n\r\n", "{", "\"\"}"] {
                stream.write_all(piece.as_bytes()).unwrap();
                stream.flush().unwrap();
            }
            String::from_utf8_lossy(&request[..read]).into_owned()
        });
        let mut wire = Wire::open(address, "secret".to_owned()).unwrap();
        assert_eq!(wire.post("/path", "{}").unwrap(), (201, &b"{\"\"}"[..]));
        let request = server.join().unwrap();
        assert!(
            request.starts_with("POST /path HTTP/1.1\r\n") && request.ends_with("\r\n\r\n{}"),
            "{request}"
        );
        assert!(request.contains("authorization: Bearer secret\r\n"));
        let closed = wire.post("/path", "{}").unwrap_err();
        assert!(closed.to_string().contains("closed") || closed.kind() != io::ErrorKind::Other, "{closed}");
    }
}
