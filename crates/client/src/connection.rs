//! Connections to servers. Types that are generated from the schema are named only here; what
//! leaves this module is a value of the model.

mod authority;
mod backup;
mod connector;
mod error;
mod factory;
mod fallback;
mod follower;
mod http;
mod lane;
mod own_thread;
mod peer;
mod route;
mod session;
mod subscription;

pub use authority::{attenuate_share, bump_epoch, delete_share, publish_share, rotate_share};
pub use backup::{BackupError, backup};
pub use connector::{ConnectError, Connector, Stream, TcpConnector};
pub use error::ClientError;
pub use factory::{
    attenuate_factory, create_share, factory_grants, factory_served, probe, revoke_factory_grant,
};
pub use fallback::FallbackLink;
pub use follower::{FollowEvent, Follower};
pub use http::HttpLink;
pub use lane::RpcLink;
pub use own_thread::on_own_thread;
pub use route::{HttpServer, HttpServerError, Route, Transport};
pub use session::Session;
pub use share_proto::wire::DocumentEntry;
pub use subscription::{Subscription, SubscriptionEvent};

#[cfg(test)]
mod tests;
