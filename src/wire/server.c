/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/server.h"

#include <string.h>

bool incarnation_is_none(const struct incarnation *i)
{
    return i->pid == 0;
}

bool incarnation_equal(const struct incarnation *a, const struct incarnation *b)
{
    return a->pid == b->pid && a->start_ticks == b->start_ticks &&
           memcmp(a->boot_id, b->boot_id, sizeof a->boot_id) == 0;
}

void incarnation_codec(struct codec *c, struct incarnation *i)
{
    codec_bytes(c, i->boot_id, sizeof i->boot_id);
    codec_u32(c, &i->pid);
    codec_u64(c, &i->start_ticks);
}

static void server_semi_sync_codec(struct codec *c, struct server_facts *f)
{
    codec_bool(c, &f->read_only);
    codec_bool(c, &f->source_side);
    codec_bool(c, &f->after_sync);
    codec_bool(c, &f->wait_no_replica);
    codec_bool(c, &f->timeout_infinite);
    codec_u32(c, &f->wait_count);
    codec_u32(c, &f->clients);
    codec_u32(c, &f->wait_sessions);
    codec_bool(c, &f->replica_side);
    codec_bool(c, &f->replica_side_active);
}

static void server_channel_codec(struct codec *c, struct server_facts *f)
{
    uint32_t lag = (uint32_t)f->lag_s;
    codec_bool(c, &f->channel);
    codec_text(c, f->source_host, sizeof f->source_host);
    codec_u16(c, &f->source_port);
    codec_enum(c, &f->io, THREAD_STATE_COUNT);
    codec_enum(c, &f->sql, THREAD_STATE_COUNT);
    codec_u32(c, &f->io_errno);
    codec_u32(c, &f->sql_errno);
    codec_u32(c, &lag);
    if (!c->encode)
        f->lag_s = (int32_t)lag;
    codec_bool(c, &f->drained);
    codec_bool(c, &f->foreign_channels);
}

void server_facts_codec(struct codec *c, struct server_facts *f)
{
    codec_enum(c, &f->flavour, SERVER_FLAVOUR_COUNT);
    codec_u32(c, &f->version);
    codec_text(c, f->version_text, sizeof f->version_text);
    codec_u32(c, &f->server_id);
    codec_text(c, f->server_uuid, sizeof f->server_uuid);
    server_semi_sync_codec(c, f);
    server_channel_codec(c, f);
    codec_u32(c, &f->settings);
    codec_bool(c, &f->events_on);
    codec_u32(c, &f->xa_prepared);
    codec_text(c, f->executed, sizeof f->executed);
    codec_text(c, f->received, sizeof f->received);
    codec_text(c, f->applied, sizeof f->applied);
    codec_text(c, f->error, sizeof f->error);
}

const char *probe_outcome_text(enum probe_outcome outcome)
{
    static const char *const texts[PROBE_COUNT] = {
        [PROBE_OK] = "ok",       [PROBE_TIMEOUT] = "timeout", [PROBE_REFUSED] = "refused",
        [PROBE_FULL] = "full",   [PROBE_DENIED] = "denied",   [PROBE_LOST] = "lost",
        [PROBE_ERROR] = "error",
    };
    return (unsigned)outcome < PROBE_COUNT ? texts[outcome] : "invalid";
}

const char *server_flavour_text(enum server_flavour flavour)
{
    static const char *const texts[SERVER_FLAVOUR_COUNT] = {"unknown", "mariadb", "mysql"};
    return (unsigned)flavour < SERVER_FLAVOUR_COUNT ? texts[flavour] : "invalid";
}
