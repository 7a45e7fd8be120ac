//! `SERVICE=REPLICAS`.

use std::str::FromStr;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) struct Scale {
    pub(in crate::cli) service: String,
    pub(in crate::cli) replicas: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(in crate::cli) enum BadScale {
    #[error("SERVICE=REPLICAS is expected, as in web=3")]
    NoNumber,
    #[error("`{0}` is not a number of replicas")]
    NotANumber(String),
}

impl FromStr for Scale {
    type Err = BadScale;
    fn from_str(text: &str) -> Result<Scale, BadScale> {
        let (service, replicas) = text.split_once('=').ok_or(BadScale::NoNumber)?;
        if service.is_empty() {
            return Err(BadScale::NoNumber);
        }
        let replicas = replicas.parse().map_err(|_| BadScale::NotANumber(replicas.to_owned()))?;
        Ok(Scale { service: service.to_owned(), replicas })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales() {
        let web = Scale { service: "web".to_owned(), replicas: 0 };
        assert_eq!("web=0".parse(), Ok(web));
        for text in ["web", "=3", "web=", "web=-1", "web=3x", "web=4294967296"] {
            assert!(text.parse::<Scale>().is_err(), "{text}");
        }
    }
}
