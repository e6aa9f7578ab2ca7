//! What proves over HTTP that one may create shares.

use std::str::FromStr;

use share_model::{FactoryRef, GrantId, Secret};

/// A factory's grant and its secret, as `Authorization: Bearer` brings them: as the text of the
/// factory's ref, or as `GRANT.SECRET`, its two parts alone.
#[derive(Debug, Clone)]
pub struct HttpToken {
    /// The factory's grant.
    pub grant: GrantId,
    /// What proves it.
    pub secret: Secret,
}

impl HttpToken {
    /// Reads what stands behind `Bearer`; `None` if it is neither form.
    pub fn from_text(text: &str) -> Option<Self> {
        if let Ok(FactoryRef { grant, secret, .. }) = FactoryRef::from_str(text) {
            return Some(Self { grant, secret });
        }
        let (grant, secret) = text.split_once('.')?;
        Some(Self {
            grant: grant.parse().ok()?,
            secret: Secret::from_text(secret)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_a_factorys_ref_or_its_grant_and_secret_and_hides_the_secret() {
        let grant = "afef6c89cb748db6af8ac9cf6143a966";
        let secret = "__________________________________________8";
        let reference = format!("share-factory://127.0.0.1:7420/{grant}#{secret}");
        for text in [format!("{grant}.{secret}"), reference] {
            let token = HttpToken::from_text(&text).unwrap();
            assert_eq!(token.grant.to_string(), grant);
            assert_eq!(token.secret.to_text(), secret);
            assert!(!format!("{token:?}").contains("____"));
        }
        for text in ["", ".", grant, secret, &format!("{secret}.{grant}")] {
            assert!(HttpToken::from_text(text).is_none(), "{text}");
        }
    }
}
