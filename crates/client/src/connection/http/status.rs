//! What an answer's status means, where it is not 200.

use http::{HeaderMap, StatusCode, header};

use crate::connection::error::ClientError;

/// Characters of what the other side says for people that are passed on.
const SAID_MAX: usize = 200;

/// The error that a status is; with what the other side says of it.
pub(super) fn error_of(
    address: &str,
    (status, headers): (StatusCode, &HeaderMap),
    said: &[u8],
) -> ClientError {
    let said = readable(said);
    let reason = format!("status {}{said}", status.as_u16());
    match status {
        // A proxy without its server says this too: it is worth trying again.
        StatusCode::NOT_FOUND
        | StatusCode::METHOD_NOT_ALLOWED
        | StatusCode::NOT_IMPLEMENTED
        | StatusCode::MISDIRECTED_REQUEST => ClientError::Unreachable {
            addresses: address.to_owned(),
            reason: format!("no share server answers HTTP there: {reason}"),
        },
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => {
            let later = headers
                .get(header::RETRY_AFTER)
                .and_then(|it| it.to_str().ok());
            let later = later.and_then(|it| it.parse::<u32>().ok());
            let later = later.map_or(String::new(), |it| format!(", come again in {it} s"));
            ClientError::Overloaded {
                reason: format!("{reason}{later}"),
            }
        }
        // From between here and the server: what became of the call is not known.
        StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT | StatusCode::REQUEST_TIMEOUT => {
            ClientError::Disconnected { reason }
        }
        _ => ClientError::Failed { reason },
    }
}

/// What may be shown of a body: it may be anybody's.
fn readable(said: &[u8]) -> String {
    let said = String::from_utf8_lossy(said);
    let said: String = said
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(SAID_MAX)
        .collect();
    match said.trim() {
        "" => String::new(),
        said => format!(": {said}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(status: u16, headers: &[(header::HeaderName, &str)], said: &[u8]) -> ClientError {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.clone(), value.parse().unwrap()))
            .collect();
        let status = StatusCode::from_u16(status).unwrap();
        error_of("http:a:1", (status, &headers), said)
    }

    #[test]
    fn a_status_says_how_to_react() {
        for status in [404, 405, 501, 421] {
            let error = of(status, &[], b"");
            assert!(matches!(error, ClientError::Unreachable { .. }), "{error}");
        }
        for status in [502, 504, 408] {
            let error = of(status, &[], b"");
            assert!(matches!(error, ClientError::Disconnected { .. }), "{error}");
        }
        for status in [400, 403, 413, 500, 301] {
            let error = of(status, &[], b"");
            assert!(matches!(error, ClientError::Failed { .. }), "{error}");
        }
    }

    #[test]
    fn a_server_that_has_no_room_says_when_to_come_again() {
        let error = of(503, &[(header::RETRY_AFTER, "7")], b"the store is full");
        let reason = "status 503: the store is full, come again in 7 s".to_owned();
        assert_eq!(error, ClientError::Overloaded { reason });
    }

    #[test]
    fn what_somebody_says_is_short_and_of_one_line() {
        let error = of(
            500,
            &[],
            format!("a\r\n\u{1b}[31m{}", "b".repeat(500)).as_bytes(),
        );
        let reason = error.to_string();
        assert!(
            reason.len() < 400 && !reason.contains(char::is_control),
            "{reason}"
        );
    }
}
