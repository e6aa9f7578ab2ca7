//! By which way commands reach servers: RPC, or HTTP where RPC is blocked.

use share_client::{FlusherOptions, HttpServer, HttpServerError, Route, Transport};

/// `--http`, without it as refs say.
#[derive(Debug, Clone, clap::Args)]
#[group(skip)]
pub(crate) struct HttpArg {
    /// Speak HTTP with servers, not RPC: where their refs say, and at this URL
    #[arg(
        long,
        value_name = "URL",
        num_args = 0..=1,
        default_missing_value = "",
        value_parser = http
    )]
    http: Option<HttpFace>,
}

/// Where HTTP is spoken besides what refs say.
#[derive(Debug, Clone)]
struct HttpFace {
    server: Option<HttpServer>,
    /// As it was given.
    url: String,
}

fn http(text: &str) -> Result<HttpFace, HttpServerError> {
    let server = match text {
        "" => None,
        url => Some(url.parse()?),
    };
    let url = text.to_owned();
    Ok(HttpFace { server, url })
}

impl HttpArg {
    /// The way that is taken.
    pub(crate) fn route(&self) -> Route {
        match &self.http {
            None => Route::default(),
            Some(HttpFace { server, .. }) => Route {
                transport: Transport::Http,
                http: server.clone(),
            },
        }
    }

    /// The argument that says the same; none if nothing was said.
    pub(crate) fn argument(&self) -> Option<String> {
        match &self.http {
            None => None,
            Some(face) if face.url.is_empty() => Some("--http".to_owned()),
            Some(face) => Some(format!("--http={}", face.url)),
        }
    }

    /// The default of a replay, by that way.
    pub(crate) fn flusher_options(&self) -> FlusherOptions {
        let Route { transport, http } = self.route();
        FlusherOptions {
            transport,
            http,
            ..FlusherOptions::default()
        }
    }
}
