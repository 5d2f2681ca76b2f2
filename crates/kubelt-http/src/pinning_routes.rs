//! `/@core/-/pinning`: published content delivered to the pinning services of others.

use axum::{
    Json,
    body::Body,
    http::{Method, StatusCode},
    response::{IntoResponse, Response},
};
use kubelt_api::{RemotePinList, RemotePinService, RemotePinSetting, RemotePinView};
use kubelt_node::{Delivery, DeliveryState};

use crate::{
    core_routes::{CoreRequest, CoreRoutes},
    json,
    limits::PIN_JSON_BYTES_MAX,
    problem::ApiError,
};

/// Serves `/@core/-/pinning` (GET lists) and `/@core/-/pinning/{name}` (PUT sets, DELETE removes).
pub(crate) async fn serve(
    routes: &CoreRoutes,
    request: &CoreRequest,
    body: Body,
) -> Result<Response, ApiError> {
    let session = request.session()?;
    let (pins, core) = (&routes.remote_pins, &request.core);
    match (request.method.clone(), request.path.as_slice()) {
        (Method::GET, []) => {
            let services = pins.list(&session, core).await?.into_iter().map(view).collect();
            Ok(Json(RemotePinList { services }).into_response())
        }
        (Method::PUT, [name]) => {
            routes.rates.write(session.account())?;
            let RemotePinSetting { endpoint, paths, token } = json::read(body, PIN_JSON_BYTES_MAX).await?;
            let delivery = Delivery { endpoint, paths };
            pins.set(&session, core, name, &delivery, token.as_deref()).await?;
            Ok(StatusCode::NO_CONTENT.into_response())
        }
        (Method::DELETE, [name]) => {
            routes.rates.write(session.account())?;
            pins.remove(&session, core, name).await?;
            Ok(StatusCode::NO_CONTENT.into_response())
        }
        (_, [] | [_]) => Err(request.method_not_allowed()),
        _ => Err(ApiError::not_found()),
    }
}

fn view(state: DeliveryState) -> RemotePinService {
    let pins = state.pins.into_iter().map(|(path, pin)| RemotePinView {
        path,
        cid: pin.cid,
        status: pin.status,
        requestid: pin.id,
        reason: pin.reason,
    });
    RemotePinService {
        name: state.name,
        endpoint: state.delivery.endpoint,
        paths: state.delivery.paths,
        has_token: state.has_token,
        pins: pins.collect(),
    }
}
