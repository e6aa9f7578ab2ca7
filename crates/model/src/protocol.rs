//! Versions of the protocol, and which one two sides speak.

use crate::refusal::{Refusal, RefusalCode};

/// The version of the protocol that this build speaks; sent at redeem.
pub const PROTOCOL_VERSION: u32 = 2;

/// The oldest version of the protocol that this build still speaks.
pub const PROTOCOL_VERSION_MIN: u32 = 1;

/// The version that a server of this build speaks with a client: the older one of both sides'.
///
/// # Errors
///
/// `versionUnsupported` if the client is older than what this build still speaks.
pub fn version_with_client(client: u32) -> Result<u32, Refusal> {
    if client < PROTOCOL_VERSION_MIN {
        return Err(unsupported("client", client, "server"));
    }
    Ok(client.min(PROTOCOL_VERSION))
}

/// The version that a server has answered to a client of this build.
///
/// # Errors
///
/// `versionUnsupported` if this build does not speak it.
pub fn version_of_server(server: u32) -> Result<u32, Refusal> {
    if server < PROTOCOL_VERSION_MIN {
        return Err(unsupported("server", server, "client"));
    }
    if server > PROTOCOL_VERSION {
        // It was told what this build speaks, and does not speak that any more.
        return Err(Refusal {
            message: format!(
                "{}: upgrade the client",
                versions("server", server, "client")
            ),
            ..unsupported("server", server, "client")
        });
    }
    Ok(server)
}

/// Refuses a side that is too old.
fn unsupported(old: &str, version: u32, other: &str) -> Refusal {
    let message = format!("{}: upgrade the {old}", versions(old, version, other));
    Refusal::new(RefusalCode::VersionUnsupported, message)
}

fn versions(one: &str, version: u32, other: &str) -> String {
    format!(
        "the {one} speaks protocol version {version}, this {other} {PROTOCOL_VERSION_MIN} to \
         {PROTOCOL_VERSION}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_sides_speak_the_older_ones_version() {
        let spoken = [1, 2, 3, u32::MAX].map(|client| version_with_client(client).unwrap());
        assert_eq!(spoken, [1, 2, 2, 2]);
        assert_eq!(
            [1, 2].map(|server| version_of_server(server).unwrap()),
            [1, 2]
        );
    }

    #[test]
    fn a_side_that_is_too_old_is_named_with_what_the_other_speaks() {
        let refusals = [
            version_with_client(0),
            version_of_server(0),
            version_of_server(3),
        ];
        let refusals = refusals.map(Result::unwrap_err);
        assert!(
            refusals
                .iter()
                .all(|refusal| refusal.code == RefusalCode::VersionUnsupported)
        );
        assert_eq!(
            refusals.map(|refusal| refusal.message),
            [
                "the client speaks protocol version 0, this server 1 to 2: upgrade the client",
                "the server speaks protocol version 0, this client 1 to 2: upgrade the server",
                "the server speaks protocol version 3, this client 1 to 2: upgrade the client",
            ]
        );
    }
}
