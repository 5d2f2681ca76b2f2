//! The routes of pins.

use kubelt_api::{PinObject, PinResults, PinState};
use ureq::{SendBody, http::Method};

use super::{Client, ClientError, CorePlace, place::encode_query};
use crate::limits::PINS_LISTED_MAX;

impl Client {
    /// Has a core keep content, wherever its blocks are.
    pub(crate) fn add_pin(&self, core: &CorePlace, pin: &PinObject) -> Result<PinState, ClientError> {
        self.post_json(&core.api("pins"), pin)
    }

    /// How far a pin is.
    pub(crate) fn pin(&self, core: &CorePlace, id: &str) -> Result<PinState, ClientError> {
        self.get_json(&core.api(&format!("pins/{}", encode_query(id))))
    }

    /// The newest pins of a core, however far they are.
    pub(crate) fn pins(&self, core: &CorePlace) -> Result<PinResults, ClientError> {
        self.get_json(&format!(
            "{}?status=queued,pinning,pinned,failed&limit={PINS_LISTED_MAX}",
            core.api("pins")
        ))
    }

    /// Keeps content for a pin no more.
    pub(crate) fn remove_pin(&self, core: &CorePlace, id: &str) -> Result<(), ClientError> {
        let route = core.api(&format!("pins/{}", encode_query(id)));
        self.send(self.request(Method::DELETE, &route), SendBody::none()).map(drop)
    }
}
