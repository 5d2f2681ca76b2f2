//! `/@core/-/usage`: what a core uses, and what became of content that was let go.

use axum::{
    Json,
    http::Method,
    response::{IntoResponse, Response},
};
use kubelt_api::{ContentRemoved, ContentUsage, CoreUsage, Fate as WireFate, RemovedBlocks, UsageView};
use kubelt_node::{Fate, Freed, Removed, Used, UsedContent, VersionsKept};

use crate::{
    core_routes::{CoreRequest, CoreRoutes},
    problem::ApiError,
};

/// Serves `GET /@core/-/usage`, for those who may have all of the core.
pub(crate) async fn serve(routes: &CoreRoutes, request: &CoreRequest) -> Result<Response, ApiError> {
    if !matches!(request.method, Method::GET | Method::HEAD) {
        return Err(request.method_not_allowed());
    }
    let found = routes.content.used_content(&request.reader, &request.core).await?;
    let UsedContent { used, versions_kept, kept, loose, complete } = found;
    let content = ContentUsage {
        kept_blocks: kept.count,
        kept_bytes: kept.bytes,
        loose_blocks: loose.count,
        loose_bytes: loose.bytes,
        complete,
    };
    let versions_kept = versions_text(versions_kept);
    Ok(Json(CoreUsage { usage: usage_view(&used), versions_kept, content }).into_response())
}

/// What a core uses and may.
pub(crate) fn usage_view(used: &Used) -> UsageView {
    let (usage, quota) = (used.usage, used.quota);
    UsageView {
        ops: usage.ops,
        ops_max: quota.ops,
        op_bytes: usage.op_bytes,
        op_bytes_max: quota.op_bytes,
        block_bytes: usage.block_bytes,
        block_bytes_max: quota.block_bytes,
        blocks: usage.blocks,
        blocks_max: quota.blocks,
        reach_notes: used.reach_notes,
        reach_note_bytes: used.reach_note_bytes(),
    }
}

/// What `DELETE` of content answers.
pub(crate) fn removed(path: &[String], removed: &Removed) -> ContentRemoved {
    let blocks = |Freed { freed, stay }: Freed| RemovedBlocks {
        freed: freed.count,
        freed_bytes: freed.bytes,
        stay: stay.count,
        stay_bytes: stay.bytes,
    };
    let (fate, other_paths, blocks) = match removed.fate {
        Fate::Nothing => (WireFate::Nothing, 0, None),
        Fate::Queued(freed) => (WireFate::Queued, 0, freed.map(blocks)),
        Fate::KeptAsVersion => (WireFate::KeptAsVersion, 0, None),
        Fate::UsedByOthers(others) => (WireFate::UsedByOthers, others, None),
    };
    ContentRemoved {
        path: path.join("/"),
        op: removed.op.to_string(),
        cid: removed.cid.map(|cid| cid.to_string()),
        fate,
        versions_kept: versions_text(removed.versions_kept),
        other_paths,
        blocks,
    }
}

fn versions_text(kept: VersionsKept) -> String {
    kept.map_or_else(|| "all".to_owned(), |count| count.to_string())
}
