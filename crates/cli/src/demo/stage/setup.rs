//! The beginning of a run: everyone is started, and a first part of the recording goes through.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use share_faults::{FaultProxy, KillCount, ProxyOptions};
use share_model::seam::SeededEntropy;

use super::Stage;
use crate::demo::client::ClientPlace;
use crate::demo::feed::Feed;
use crate::demo::observer::Observer;
use crate::demo::pieces::Pieces;
use crate::demo::plan::Plan;
use crate::demo::server::ServerPlace;
use crate::demo::story::Story;
use crate::error::CliError;

/// What a run is about.
#[derive(Debug)]
pub(in crate::demo) struct Setting<'a> {
    pub(in crate::demo) data: &'a Path,
    pub(in crate::demo) seed: u64,
    pub(in crate::demo) plan: &'a Plan,
    pub(in crate::demo) pieces: Arc<Pieces>,
    /// What decided the plan decides on the details too.
    pub(in crate::demo) entropy: SeededEntropy,
}

impl Stage {
    /// Starts the processes, with the proxy between them, and a share to push to.
    pub(in crate::demo) async fn set(setting: Setting<'_>) -> Result<Self, CliError> {
        let Setting {
            data,
            seed,
            plan,
            pieces,
            entropy,
        } = setting;
        let story = Story::begin(pieces.ops());
        let program = std::env::current_exe()
            .map_err(|error| CliError::refused("find this program's file").caused_by(error))?;
        // Where nobody listens, until the server has a port.
        let nowhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
        let proxy = FaultProxy::start(nowhere, ProxyOptions { seed, port: 0 })
            .await
            .map_err(|error| CliError::refused("start the fault proxy").caused_by(error))?;
        let server_place = ServerPlace {
            program: program.clone(),
            data: data.join("server"),
            backup: data.join("backup.share"),
            advertise: proxy.local_addr(),
            kills: KillCount::default(),
        };
        let client_place = ClientPlace {
            program,
            share_ref: data.join("owner.ref"),
            state: data.join("client").join("share.sqlite"),
            batch_ops: plan.batch_ops,
            in_flight: plan.in_flight,
            kills: KillCount::default(),
        };
        let server = server_place.start().await?;
        proxy.set_upstream(server.address);
        client_place
            .create_share(&server_place.factory_ref())
            .await?;
        let ClientPlace {
            state, share_ref, ..
        } = &client_place;
        let observer = Observer::new(state, share_ref, server.address)?;
        let mut feed = Feed::new(Arc::clone(&pieces));
        let client = client_place.start(feed.attach()?)?;
        let scene = "the beginning".to_owned();
        let mut stage = Self {
            proxy,
            server_place,
            server,
            client_place,
            client,
            pieces,
            feed,
            fed: 0,
            observer,
            entropy,
            story,
            lost_replies: 0,
            copies: 0,
            restores: 0,
            scene,
        };
        stage.feed_up_to(plan.warm_up);
        stage.settled().await?;
        let (server, client) = (stage.server.pid(), stage.client.pid());
        let via = stage.proxy.local_addr();
        let what = format!("server (pid {server}) and client (pid {client}) talk, by way of {via}");
        stage.tell(what).await?;
        Ok(stage)
    }
}
