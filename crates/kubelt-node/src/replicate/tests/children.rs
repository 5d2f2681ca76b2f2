//! Children that are made on nodes which do not hear of each other.

use kubelt_content::Ipld;
use kubelt_core::{
    CoreId, MapPath,
    schema::{ChildCore, Visibility},
};

use super::{
    members::{Seat, shared},
    world::{Fleet, wallet},
};
use crate::{MembersError, NewCore, Reader, Wish};

const PAGE: &str = "page";

/// Makes `widget` in a core, with a page for everybody.
async fn child(fleet: &Fleet, node: &str, parent: &Seat) -> Seat {
    let new = NewCore { is_child: true, ..NewCore::named("widget") };
    let session = &parent.person.session;
    let made = parent.person.node.members.create(session, &parent.core, new).await.expect("is made");
    assert!(made.is_named);
    let seat = Seat::at(fleet.at(node), &wallet(1), made.core).await;
    let path = "profile/name".parse().expect("a path");
    seat.act(Wish::Put { path, value: Ipld::String("Widget".to_owned()) }).await.expect("begins");
    assert!(seat.put(PAGE, Visibility::Public).await);
    seat
}

/// Brings a core from one node to the other, and back what the other knows of it.
async fn bring(fleet: &Fleet, core: CoreId, from: &str, to: &str) {
    let (here, there) =
        (Seat::at(fleet.at(to), &wallet(1), core).await, Seat::at(fleet.at(from), &wallet(1), core).await);
    let link = fleet.connect(to, from).await;
    for seat in [&here, &there] {
        let login = std::sync::Arc::clone(&seat.person.session.login);
        seat.person.node.replication.trust(core, *link.peer(), login);
    }
    here.person.pull_as(&link, core, Some(&*here.person.session)).await.expect("is exchanged");
}

/// Whether strangers read the page of a core at a node.
async fn is_open(fleet: &Fleet, node: &str, core: &CoreId) -> bool {
    fleet.at(node).node.content.find(&Reader::Anonymous, core, &[PAGE.to_owned()]).await.is_ok()
}

#[tokio::test]
async fn of_two_children_made_for_one_name_one_stands_on_both_nodes_and_the_other_loses_nothing() {
    let fleet = Fleet::new(&["a", "b"]).await;
    let (here, there) = Box::pin(shared(&fleet)).await;
    let (first, second) = (child(&fleet, "a", &here).await, child(&fleet, "b", &there).await);
    assert_ne!(first.core, second.core);
    assert!(is_open(&fleet, "a", &first.core).await && is_open(&fleet, "b", &second.core).await);

    // They meet.
    Box::pin(bring(&fleet, here.core, "a", "b")).await;
    Box::pin(bring(&fleet, first.core, "a", "b")).await;
    Box::pin(bring(&fleet, second.core, "b", "a")).await;
    fleet.assert_equal(&here.core, &["a", "b"]);
    let path: MapPath = "cores/widget".parse().expect("a path");
    for node in ["a", "b"] {
        let cores = &fleet.at(node).node.cores;
        let names = [format!("{}", here.core), "widget".to_owned()];
        let found = cores.resolve_for(&Reader::Anonymous, &names).await.expect("reads");
        assert_eq!(found, second.core, "{node}: the later name counts, as for any path");
        assert_eq!(cores.named_core(&here.core, &path).expect("reads"), Some(second.core), "{node}");
        assert!(is_open(&fleet, node, &second.core).await, "{node}");
        assert!(!is_open(&fleet, node, &first.core).await, "{node}: nobody names it any more");
        // Whoever works in it has it as it was.
        let own = Seat::at(fleet.at(node), &wallet(1), first.core).await;
        assert!(own.reads(PAGE).await && own.put("more", Visibility::Members).await, "{node}");
        let again = NewCore { is_child: true, ..NewCore::named("widget") };
        let seat = Seat::at(fleet.at(node), &wallet(1), here.core).await;
        let refused = seat.person.node.members.create(&seat.person.session, &here.core, again).await;
        assert!(matches!(refused, Err(MembersError::NameTaken(_))), "{node}: {refused:?}");
    }
    // Under another name it is a child again.
    assert!(here.set("cores/gadget", ChildCore::new(first.core).to_ipld()).await);
    assert!(is_open(&fleet, "a", &first.core).await);
    Box::pin(bring(&fleet, here.core, "a", "b")).await;
    assert!(is_open(&fleet, "b", &first.core).await);
}
