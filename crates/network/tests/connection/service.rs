//! What the server under test offers: methods without a schema.

use std::cell::{Cell, RefCell};
use std::ops::Deref;
use std::rc::Rc;

use capnp::Error;
use capnp::any_pointer;
use capnp::capability::{
    Client, DispatchCallResult, FromClientHook, FromServer, Params, Promise, Results,
};
use capnp::private::capability::ClientHook;
use share_network::{AnswerGate, Standing};
use tokio::sync::watch;

/// Answers with as many bytes as it was sent.
pub(super) const ECHO: u16 = 0;
/// Answers when it is let.
pub(super) const WAIT: u16 = 1;
/// The peer has proven an authority.
pub(super) const PROVE: u16 = 2;
/// Answers with a mebibyte, in turn.
pub(super) const LARGE: u16 = 3;
/// Gives out a capability of its own.
pub(super) const CAPABILITY: u16 = 4;
/// Calls the capability that it was sent, as often as [`WAIT`] is let answer.
pub(super) const CALL_BACK: u16 = 5;

/// The same in the turn of a page.
pub(super) const PAGE: u16 = 6;

/// Calls the capability that it was sent, and answers without waiting for it.
pub(super) const CALL_ASIDE: u16 = 7;

pub(super) const LARGE_BYTES: u32 = 1 << 20;

/// Offers the methods.
pub(super) struct Service {
    pub(super) standing: Standing,
    pub(super) answers: RefCell<Option<AnswerGate>>,
    /// Lets [`WAIT`] answer so many times more.
    pub(super) lets: watch::Sender<usize>,
    /// Calls that came.
    pub(super) calls: Cell<usize>,
}

impl Service {
    async fn call(
        self: Rc<Self>,
        method: u16,
        params: Params<any_pointer::Owned>,
        mut results: Results<any_pointer::Owned>,
    ) -> Result<(), Error> {
        self.calls.set(self.calls.get() + 1);
        let data = params.get()?.get_as::<capnp::data::Reader<'_>>();
        match method {
            ECHO => results.get().set_as::<capnp::data::Owned>(data?)?,
            WAIT => {
                let mut lets = self.lets.subscribe();
                let _ = lets.wait_for(|lets| *lets > 0).await;
                self.lets.send_modify(|lets| *lets -= 1);
            }
            PROVE => self.standing.prove(),
            LARGE | PAGE => {
                let answers = self.answers.borrow().clone().unwrap();
                let _turn = match method {
                    PAGE => answers.turn_for_page().await,
                    _ => answers.turn().await,
                };
                results
                    .get()
                    .initn_as::<capnp::data::Builder<'_>>(LARGE_BYTES);
            }
            CAPABILITY => {
                let own: Untyped = capnp_rpc::new_client_from_rc(Rc::clone(&self));
                results.get().set_as_capability(own.0.hook);
            }
            CALL_ASIDE => {
                let sent: Untyped = params.get()?.get_as_capability()?;
                let answer = sent.0.hook.new_call(1, 0, None).send().promise;
                tokio::task::spawn_local(answer);
            }
            CALL_BACK => {
                let sent: Untyped = params.get()?.get_as_capability()?;
                let request = || sent.0.hook.new_call(1, 0, None).send().promise;
                let calls: Vec<_> = (0..*self.lets.borrow()).map(|_| request()).collect();
                drop(calls);
            }
            _ => return Err(Error::unimplemented("no such method".to_owned())),
        }
        Ok(())
    }
}

/// A capability without a schema.
pub(super) struct Untyped(pub(super) Client);

impl FromClientHook for Untyped {
    fn new(hook: Box<dyn ClientHook>) -> Self {
        Self(Client::new(hook))
    }

    fn into_client_hook(self) -> Box<dyn ClientHook> {
        self.0.hook
    }

    fn as_client_hook(&self) -> &dyn ClientHook {
        &*self.0.hook
    }
}

#[derive(Clone)]
pub(super) struct Dispatch(Rc<Service>);

impl Deref for Dispatch {
    type Target = Service;

    fn deref(&self) -> &Service {
        &self.0
    }
}

impl FromServer<Service> for Untyped {
    type Dispatch = Dispatch;

    fn from_server(service: Rc<Service>) -> Dispatch {
        Dispatch(service)
    }
}

impl capnp::capability::Server for Dispatch {
    fn dispatch_call(
        self,
        _: u64,
        method: u16,
        params: Params<any_pointer::Owned>,
        results: Results<any_pointer::Owned>,
    ) -> DispatchCallResult {
        let called = self.0.call(method, params, results);
        DispatchCallResult::new(Promise::from_future(called), false)
    }

    fn as_ptr(&self) -> usize {
        Rc::as_ptr(&self.0) as usize
    }
}
