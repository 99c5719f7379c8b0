/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/report.h"

#include "util/err.h"

/* A node's position, or NODE_NONE where that is allowed. */
static void node_codec(struct codec *c, uint8_t *node, bool none)
{
    codec_u8(c, node);
    if (!c->encode && c->err == 0 && *node >= NODES_MAX && !(none && *node == NODE_NONE))
        c->err = ERR_FORMAT;
}

void report_codec(struct codec *c, struct report *r)
{
    codec_u64(c, &r->seq);
    codec_u64(c, &r->term);
    node_codec(c, &r->leader, /* none= */ true);
    codec_u64(c, &r->epoch);
    codec_u64(c, &r->version);
    codec_u64(c, &r->config_digest);
    codec_text(c, r->agent_version, sizeof r->agent_version);
    codec_enum(c, &r->health, HEALTH_COUNT);
    codec_enum(c, &r->eligible, ELIGIBILITY_COUNT);
    codec_text(c, r->ineligible_why, sizeof r->ineligible_why);
    incarnation_codec(c, &r->incarnation);
    codec_bool(c, &r->ended_cleanly);
    codec_bool(c, &r->settled);
    codec_bool(c, &r->open);
    codec_u32(c, &r->lease_ms);
    codec_bool(c, &r->endless);
    codec_u32(c, &r->vips);
    codec_bool(c, &r->link_up);
    codec_u32(c, &r->reaches);
    codec_text(c, r->phase, sizeof r->phase);
    codec_text(c, r->trouble, sizeof r->trouble);
    for (unsigned i = 0; i < VERDICT_COUNT; i++) {
        codec_u16(c, &r->verdict[i].rule);
        codec_u32(c, &r->verdict[i].facts);
    }
    server_facts_codec(c, &r->facts);
    clone_report_codec(c, &r->clone);
    codec_tail(c);
    codec_u32(c, &r->facts_age_ms);
    codec_tail(c);
    host_facts_codec(c, &r->host);
    codec_i64(c, &r->wall_ms);
    codec_tail(c);
    starts_codec(c, &r->starts);
    codec_tail(c);
    codec_u32(c, &r->other_arbiters);
}

void command_codec(struct codec *c, struct command *m)
{
    codec_u64(c, &m->id);
    node_codec(c, &m->origin, /* none= */ false);
    codec_enum(c, &m->kind, COMMAND_COUNT);
    node_codec(c, &m->node, /* none= */ true);
    codec_bool(c, &m->flag);
    codec_u8(c, &m->donor);
    if (!c->encode && c->err == 0 && m->donor > NODES_MAX)
        c->err = ERR_FORMAT;
}

void reply_codec(struct codec *c, struct reply *r)
{
    codec_u64(c, &r->id);
    node_codec(c, &r->origin, /* none= */ false);
    codec_bool(c, &r->ok);
    codec_text(c, r->text, sizeof r->text);
}

const char *server_health_text(int health)
{
    static const char *const texts[HEALTH_COUNT] = {"unknown", "ok",   "dead", "starting",
                                                    "refused", "hung", "full", "denied",
                                                    "stalled", "disk"};
    return health >= 0 && health < HEALTH_COUNT ? texts[health] : "invalid";
}

const char *eligibility_text(int eligible)
{
    static const char *const texts[ELIGIBILITY_COUNT] = {"no",    "restart", "forced",
                                                         "first", "member",  "writer"};
    return eligible >= 0 && eligible < ELIGIBILITY_COUNT ? texts[eligible] : "invalid";
}

const char *command_kind_text(int kind)
{
    static const char *const texts[COMMAND_COUNT] = {
        "switchover", "failover",    "pause",   "resume", "maintenance", "no-promote",   "replace",
        "node-add",   "node-remove", "reclone", "join",   "rejoin",      "data-replaced"};
    return kind >= 0 && kind < COMMAND_COUNT ? texts[kind] : "invalid";
}
