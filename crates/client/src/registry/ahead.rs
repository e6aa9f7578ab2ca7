//! Shares that are registered before their server was asked: it may be away for a day.

use rusqlite::Connection;
use share_model::{CreateShare, Epoch, FactoryRef, RequestId, Secret, ShareRef};

use super::entry::OpenSession;
use super::error::RegistryError;
use super::name::SessionName;
use super::{Registry, check_texts, table};

/// A share that nobody has asked a server for yet, with the ref that its owner will have.
#[derive(Debug, Clone)]
pub struct ShareAhead {
    /// What it is called here.
    pub name: SessionName,
    /// What the factory is asked, as often as it takes.
    pub request: CreateShare,
    /// The owner's ref: at the factory's addresses, of the first epoch.
    pub reference: ShareRef,
}

impl Registry {
    /// Registers a new share, with its owner's ref, before its factory was asked; durable at return.
    /// Each call registers another share: where the name is taken, under the first free one of
    /// `NAME#2`, `NAME#3` and so on.
    ///
    /// The ids of a share follow from the factory's grant and the request, so that the ref is known
    /// ([`CreateShare::ids`]). It opens nothing before [`create_share`](crate::create_share) with
    /// this request.
    ///
    /// # Errors
    ///
    /// If a text is too long, the registry is full, or the storage fails.
    pub async fn register_ahead(
        &self,
        factory: &FactoryRef,
        open: OpenSession,
    ) -> Result<ShareAhead, RegistryError> {
        check_texts(&open)?;
        let options = &self.inner.options;
        let (now, entries_max) = (options.clock.now(), options.entries_max);
        let request = RequestId::new(&*options.clock, &*options.entropy);
        let secret = Secret::random(&*options.entropy);
        let factory = factory.clone();
        self.run(move |db| {
            let entries = table::count(db)?;
            if entries >= entries_max {
                return Err(RegistryError::Full { entries });
            }
            let name = free_name(db, open.name)?;
            let open = OpenSession { name, ..open };
            let number = table::insert(db, &open, (factory.grant, request, &secret), now)?;
            let ahead = ahead(open, &factory, (request, secret));
            table::set_first_ref(db, number, &ahead.reference)?;
            Ok(ahead)
        })
        .await
    }
}

/// The name itself, or the first that is free of those with a number behind it.
fn free_name(db: &Connection, name: SessionName) -> Result<SessionName, RegistryError> {
    let mut free = name.clone();
    let mut number = 1_u64;
    while table::by_name(db, &free)?.is_some() {
        number += 1;
        free = name.numbered(number);
    }
    Ok(free)
}

fn ahead(
    open: OpenSession,
    factory: &FactoryRef,
    (request, secret): (RequestId, Secret),
) -> ShareAhead {
    let request = CreateShare {
        request,
        owner_secret_hash: secret.hash(),
        title: open.title,
        origin: open.origin,
    };
    let (share, grant) = request.ids(factory.grant);
    ShareAhead {
        name: open.name,
        request,
        reference: ShareRef {
            addresses: factory.addresses.clone(),
            share,
            grant,
            epoch: Epoch::new(1),
            security: factory.security,
            secret,
        },
    }
}
