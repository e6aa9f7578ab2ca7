//! Listings, page by page.

use share_client::{RegistryFilter, RegistryPosition};

use crate::folder::{Folder, create, name};

#[tokio::test]
async fn pages_join_to_the_whole_in_the_order_of_reservation() {
    let folder = Folder::new();
    let registry = folder.registry();
    for number in 0..25 {
        create(&registry, &format!("{number}")).await;
    }
    for number in [3, 4, 5, 20] {
        registry.release(&name(&number.to_string())).await.unwrap();
    }
    for released in [false, true] {
        let filter = RegistryFilter { released };
        let mut after: Option<RegistryPosition> = None;
        let mut seen = Vec::new();
        loop {
            let page = registry.list(filter, after, 4).await.unwrap();
            assert!(page.len() <= 4);
            let Some(last) = page.last() else { break };
            after = Some(last.position());
            seen.extend(page.iter().map(|entry| entry.name.session().to_owned()));
        }
        let expected: Vec<_> = (0..25)
            .filter(|number| released || ![3, 4, 5, 20].contains(number))
            .map(|number: u32| number.to_string())
            .collect();
        assert_eq!(seen, expected);
    }
}
