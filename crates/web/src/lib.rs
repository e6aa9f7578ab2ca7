//! The HTTP face of share sessions: the routes that unmodified opencode talks to, over a
//! [`Backend`], which the server and the bridge are.
//!
//! Nothing here knows what a share is made of. A request is checked as a whole (who asks, how much,
//! whether it is what it says) before the backend sees it, and the backend's answer is durable before
//! it leaves. No id, secret or body is in a log.

mod answer;
mod assets;
mod backend;
mod body;
mod budget;
mod connections;
mod counted;
mod date;
mod face;
mod gate;
mod hangup;
mod hosts;
mod items;
mod limits;
mod live;
mod local;
mod owner;
mod private;
mod public;
mod query;
mod reader;
mod request;
mod routes;
mod showing;
mod source;
mod stall;
mod token;
mod tokens;
mod unambiguous;
mod view;

pub use backend::{Asker, Backend, BackendError, CreatedShare, Data, Governed};
pub use face::{Face, FaceOptions};
pub use hosts::{Hosts, PublicUrlError};
pub use limits::WebLimits;
pub use live::LiveLimits;
pub use local::{Drained, Local, LocalEvent, PluginCall, RefusedEvent, Taken, WantedPart};
pub use reader::{
    End, Followed, Following, Opened, Proof, Readable, Reader, Replayed, Seen, Standing,
};
pub use token::HttpToken;
