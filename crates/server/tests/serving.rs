//! The server as clients see it: a real Cap'n Proto client against it, over pipes or TCP, on a real
//! store in a temporary folder.

#![expect(clippy::unwrap_used, reason = "a test fails by its panic")]

mod serving {
    mod administrator;
    mod appending;
    mod backup;
    mod client;
    mod connections;
    mod door;
    mod factory;
    mod fairness;
    mod http;
    mod journal;
    mod lane;
    mod lifecycle;
    mod limits;
    mod lost_replies;
    mod overload;
    mod reader;
    mod restoring;
    mod revoking;
    mod sessions;
    mod store_trouble;
    mod subscribing;
    mod tls;
    mod trouble;
    mod versions;
    mod world;
}
