//! The connections that are compared.

use std::sync::Arc;

use capnp_rpc::rpc_twoparty_capnp::Side;
use capnp_rpc::{RpcSystem, twoparty};
use futures_util::AsyncReadExt;
use futures_util::io::{BufReader, BufWriter};
use share_network::{Budget, BudgetLimits, NetworkLimits, Standing, VatNetwork};
use tokio::net::TcpStream;
use tokio_util::compat::TokioAsyncReadCompatExt;

const BUFFER_BYTES: usize = 64 << 10;

/// A connection that is measured.
#[derive(Debug, Clone, Copy)]
pub(super) enum Wire {
    /// share-network, with the limits that server and client have.
    Own,
    /// The library's own, as it comes.
    Stock,
    /// The library's own, reading and writing by buffers of 64 KiB.
    StockBuffered,
}

/// Each in its place.
pub(super) const ALL: [Wire; 3] = [Wire::Own, Wire::Stock, Wire::StockBuffered];

impl Wire {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::Stock => "stock",
            Self::StockBuffered => "stock-buffered",
        }
    }

    /// The RPC system of one side, on this stream.
    pub(super) fn system(
        self,
        stream: TcpStream,
        side: Side,
        bootstrap: Option<capnp::capability::Client>,
    ) -> RpcSystem<Side> {
        let options = Default::default();
        match self {
            Self::Own => {
                let (limits, budget) = match side {
                    Side::Server => (NetworkLimits::server(), BudgetLimits::server()),
                    Side::Client => (NetworkLimits::client(), BudgetLimits::client()),
                };
                let standing = Standing::default();
                standing.prove();
                let budget = Arc::new(Budget::new(&budget));
                let network = VatNetwork::new(stream, side, limits, budget, standing);
                RpcSystem::new(Box::new(network), bootstrap)
            }
            Self::Stock => {
                let (reader, writer) = stream.compat().split();
                let network = twoparty::VatNetwork::new(reader, writer, side, options);
                RpcSystem::new(Box::new(network), bootstrap)
            }
            Self::StockBuffered => {
                let (reader, writer) = stream.compat().split();
                let reader = BufReader::with_capacity(BUFFER_BYTES, reader);
                let writer = BufWriter::with_capacity(BUFFER_BYTES, writer);
                let network = twoparty::VatNetwork::new(reader, writer, side, options);
                RpcSystem::new(Box::new(network), bootstrap)
            }
        }
    }
}
