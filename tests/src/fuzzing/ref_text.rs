//! Texts that people hand over: refs, secrets, slugs, owners, ids.

use std::fmt::{Debug, Display};
use std::str::FromStr;

use share_model::{
    FactoryRef, GrantId, OpId, OwnerId, RefError, Secret, ShareId, ShareRef, Slug, UnixMs,
};

/// Whatever can be read is printed, and read again as the same; a text that can't says why, and
/// nothing of what it holds.
///
/// # Panics
///
/// If that does not hold.
pub fn ref_text(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    sturdy_ref(text, ShareRef::expose);
    sturdy_ref(text, FactoryRef::expose);
    if let Some(secret) = Secret::from_text(text) {
        assert_eq!(secret.to_text(), text);
    }
    if let Some(slug) = Slug::from_text(text) {
        assert_eq!(slug.to_text(), text);
    }
    if let Ok(owner) = text.parse::<OwnerId>() {
        assert_eq!(owner.to_string().parse(), Ok(owner));
    }
    id::<ShareId>(text);
    id::<GrantId>(text);
    id::<OpId>(text);
    if let Ok(time) = text.parse::<u64>() {
        assert_eq!(UnixMs::new(time).get(), time);
    }
}

/// Two refs that print the same are the same: all that a ref has is in its text.
fn sturdy_ref<R: FromStr<Err = RefError> + Debug>(text: &str, expose: fn(&R) -> String) {
    let Ok(read) = text.parse::<R>() else {
        return;
    };
    let printed = expose(&read);
    let secret = printed.rsplit_once('#').map(|(_, secret)| secret);
    let secret = secret.expect("a ref ends with its secret");
    let debug = format!("{read:?}");
    // Whoever puts the secret into an address as well has shown it already.
    let is_elsewhere = printed.matches(secret).count() > 1;
    assert!(
        is_elsewhere || !debug.contains(secret),
        "debug of a ref shows its secret"
    );
    let again = printed.parse::<R>().expect("a printed ref is read");
    assert_eq!(expose(&again), printed);
    assert_eq!(format!("{again:?}"), debug);
}

fn id<T: FromStr + Display + PartialEq + Debug>(text: &str) {
    if let Ok(id) = text.parse::<T>() {
        assert_eq!(id.to_string().parse::<T>().ok(), Some(id));
    }
}
