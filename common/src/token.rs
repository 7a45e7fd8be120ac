//! Join tokens: which cluster, and the right to join it.

use crate::node::Role;
use std::fmt;
use std::str::FromStr;

/// `SKEP-1-<digest of the CA's certificate>-<secret>`, all in hexadecimal. The role follows from
/// the secret; only the managers know which is which.
#[derive(Clone, PartialEq, Eq)]
pub struct JoinToken {
    pub authority_digest: [u8; 32],
    pub secret: [u8; SECRET_LENGTH],
}

pub const SECRET_LENGTH: usize = 16;
const PREFIX: &str = "SKEP-1-";

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadToken {
    #[error("this is a join token of Docker Swarm; ask a manager of skep: skep join-token worker")]
    OfSwarm,
    #[error(
        "this is not a join token: it begins with SKEP-1- and is printed by \
         `skep join-token worker` on a manager"
    )]
    NotAToken,
    #[error("the join token is cut short or has characters that do not belong to it")]
    Damaged,
}

impl FromStr for JoinToken {
    type Err = BadToken;
    fn from_str(text: &str) -> Result<Self, BadToken> {
        let text = text.trim();
        if text.starts_with("SWMTKN-") {
            return Err(BadToken::OfSwarm);
        }
        let rest = text.strip_prefix(PREFIX).ok_or(BadToken::NotAToken)?;
        let (digest, secret) = rest.split_once('-').ok_or(BadToken::Damaged)?;
        Ok(JoinToken { authority_digest: from_hex(digest)?, secret: from_hex(secret)? })
    }
}

fn from_hex<const N: usize>(text: &str) -> Result<[u8; N], BadToken> {
    let mut bytes = [0; N];
    if text.len() != 2 * N || !text.is_ascii() {
        return Err(BadToken::Damaged);
    }
    for (byte, at) in bytes.iter_mut().zip((0..).step_by(2)) {
        *byte = u8::from_str_radix(&text[at..at + 2], 16).map_err(|_| BadToken::Damaged)?;
    }
    Ok(bytes)
}

impl fmt::Display for JoinToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(PREFIX)?;
        self.authority_digest.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str("-")?;
        self.secret.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for JoinToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JoinToken(…)")
    }
}

/// Which secret a joiner showed.
pub fn role_of(secret: &[u8], cluster: &crate::cluster::Cluster) -> Option<Role> {
    if cluster.manager_secret.matches(secret) {
        return Some(Role::Manager);
    }
    cluster.worker_secret.matches(secret).then_some(Role::Worker)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_reads_back() {
        let token = JoinToken { authority_digest: [7; 32], secret: [0xab; SECRET_LENGTH] };
        assert_eq!(token.to_string().parse(), Ok(token));
    }

    #[test]
    fn nonsense_is_refused_with_the_way_out() {
        for text in ["", "abc", "SKEP-1-", "SKEP-1-zz-zz", "SKEP-1-é-é", "SWMTKN-1-a-b"] {
            assert!(text.parse::<JoinToken>().is_err(), "{text}");
        }
    }
}
