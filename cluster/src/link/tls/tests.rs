use super::*;

const AUTHORITY: &[u8] = include_bytes!("authority.pem");
/// Each has a certificate and its key, made for these tests alone: P-256, the node's name as DNS name, valid from 2020
/// to 2119. `b_of_another.pem` is of another authority, whose key is kept nowhere either.
const A: &[u8] = include_bytes!("a.pem");
const B: &[u8] = include_bytes!("b.pem");

#[test]
fn what_cannot_be_used_is_named() {
    assert!(LinkTls::new(AUTHORITY, A, A).is_ok());
    let said =
        |authority, certificate, key| LinkTls::new(authority, certificate, key).err().unwrap().to_string();
    let table = [
        (said(b"", A, A), "the authority: no certificate is in it"),
        (said(AUTHORITY, b"", A), "the certificate: no certificate is in it"),
        (said(AUTHORITY, A, AUTHORITY), "the private key: "),
        (said(AUTHORITY, A, B), "the certificate and its key: "),
    ];
    for (said, expected) in table {
        assert!(said.starts_with(expected), "{said}");
    }
}
