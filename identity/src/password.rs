//! Passwords: argon2id in a small pool of threads, so that guessing is slow and many log-ins at once cannot take the
//! machine's memory or its cores.

use std::sync::Arc;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The cost that OWASP names first for argon2id: 19 MiB, two passes, one lane.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// Hashes at once: 38 MiB, and a small machine keeps a core for conversations.
const RUNNING_MAX: usize = 2;
/// Requests that wait for one of them: about a second of work.
const WAITING_MAX: usize = 32;

/// The hash of a password that nobody knows, at the present cost, so that an unknown e-mail takes as long as a known one.
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$DYgjFoOXcFlLEL6/LAShGw$Zz1FGHDhYeaMIFBhXt0mMKULUBY6Zh7FdXpgTeSoDGw";

/// A password that follows the rules.
pub struct Password(Box<str>);

impl Password {
    /// In bytes.
    pub const BYTES_MIN: usize = 8;
    /// In bytes. Longer ones would only make the server work.
    pub const BYTES_MAX: usize = 1024;

    /// Takes any text of these lengths: length is what makes a password strong.
    ///
    /// # Errors
    /// The text is too short or too long.
    pub fn parse(text: &str) -> Result<Self, WeakPassword> {
        if (Self::BYTES_MIN..=Self::BYTES_MAX).contains(&text.len()) {
            Ok(Self(text.into()))
        } else {
            Err(WeakPassword)
        }
    }

    /// 24 letters and digits, 120 bits or more, without those that look alike.
    pub fn generate() -> Self {
        const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
        let random: [u8; 24] = rand::random();
        let letters = random.map(|byte| char::from(ALPHABET[usize::from(byte % 32)]));
        Self(letters.iter().collect::<String>().into())
    }

    /// The text, to show a generated password once.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password(secret)")
    }
}

/// A password breaks the rules; the text is the rule, for the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 8 to 1024 bytes")]
pub struct WeakPassword;

/// So many log-ins are being checked that one more would wait too long: try again in a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many passwords are being checked")]
pub struct Overloaded;

/// The pool of threads. Two hashes run at once, a few requests wait, all others are answered [`Overloaded`].
#[derive(Clone)]
pub struct Passwords {
    running: Arc<Semaphore>,
    /// Counts the requests that wait, and those whose hash runs.
    admitted: Arc<Semaphore>,
}

impl Default for Passwords {
    fn default() -> Self {
        Self {
            running: Arc::new(Semaphore::new(RUNNING_MAX)),
            admitted: Arc::new(Semaphore::new(RUNNING_MAX + WAITING_MAX)),
        }
    }
}

impl Passwords {
    /// The password's hash, in PHC form.
    ///
    /// # Errors
    /// Too many passwords are being checked: try again in a second.
    pub async fn hash(&self, password: Password) -> Result<Box<str>, Overloaded> {
        self.run(move || {
            let hash: PasswordHash = argon2()
                .hash_password(password.0.as_bytes())
                .expect("lengths and cost are in argon2's range");
            hash.to_string().into()
        })
        .await
    }

    /// Whether `password` has this hash. Without a hash, as when nobody has the e-mail, the answer is no, after the same time.
    ///
    /// # Errors
    /// Too many passwords are being checked: try again in a second.
    pub async fn verify(&self, password: &str, hash: Option<&str>) -> Result<bool, Overloaded> {
        // No kept password is longer, so a longer one is wrong; it is cut to cost what the others cost.
        let fits = password.len() <= Password::BYTES_MAX;
        let password = password.as_bytes()[..password.len().min(Password::BYTES_MAX)].to_vec();
        let known = hash.is_some();
        let hash = hash.unwrap_or(NOBODY).to_owned();
        self.run(move || {
            let parsed = PasswordHash::new(&hash);
            let right = parsed.is_ok_and(|parsed| argon2().verify_password(&password, &parsed).is_ok());
            right && known && fits
        })
        .await
    }

    /// The permits travel with the work: a request that no longer waits for its answer makes no room before its hash is done.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Overloaded> {
        let admitted = Arc::clone(&self.admitted).try_acquire_owned().map_err(|_| Overloaded)?;
        let running = Arc::clone(&self.running).acquire_owned().await.expect("the semaphore is never closed");
        let permits: [OwnedSemaphorePermit; 2] = [running, admitted];
        let done = tokio::task::spawn_blocking(move || {
            let result = work();
            drop(permits);
            result
        });
        Ok(done.await.expect("hashing does not panic, and the pool outlives the request"))
    }
}

fn argon2() -> Argon2<'static> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).expect("the cost is in argon2's range");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_is_known_again_by_its_hash_and_no_other_is() {
        let passwords = Passwords::default();
        let hash = passwords.hash(Password::parse("correct horse").unwrap()).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert_eq!(passwords.verify("correct horse", Some(&hash)).await, Ok(true));
        assert_eq!(passwords.verify("correct horsf", Some(&hash)).await, Ok(false));
        assert_eq!(passwords.verify("correct horse", None).await, Ok(false));
        assert_eq!(passwords.verify(&"x".repeat(100_000), Some(&hash)).await, Ok(false));
        let same = passwords.hash(Password::parse("correct horse").unwrap()).await.unwrap();
        assert_ne!(hash, same, "each has its own salt");
    }

    #[test]
    fn the_unknown_cost_what_the_known_do() {
        let nobody = PasswordHash::new(NOBODY).unwrap();
        let params = Params::try_from(&nobody).unwrap();
        assert_eq!((params.m_cost(), params.t_cost(), params.p_cost()), (MEMORY_KIB, PASSES, LANES));
        assert!(nobody.hash.is_some() && nobody.salt.is_some());
    }

    #[tokio::test]
    async fn beyond_what_may_wait_the_answer_is_overloaded_at_once() {
        let passwords = Passwords::default();
        let taken =
            Arc::clone(&passwords.admitted).acquire_many_owned((RUNNING_MAX + WAITING_MAX) as u32).await;
        assert_eq!(passwords.verify("whatever", None).await, Err(Overloaded));
        drop(taken);
        assert_eq!(passwords.verify("whatever", None).await, Ok(false));
    }

    #[test]
    fn passwords_have_a_length_and_generated_ones_are_not_alike() {
        assert!(Password::parse("1234567").is_err() && Password::parse(&"x".repeat(1025)).is_err());
        assert!(Password::parse("12345678").is_ok() && Password::parse("pässwör").is_ok());
        let (one, other) = (Password::generate(), Password::generate());
        assert_eq!(one.as_str().len(), 24);
        assert_ne!(one.as_str(), other.as_str());
    }
}
