/* SPDX-License-Identifier: Apache-2.0 */
#include "core/effect.h"

#include <assert.h>
#include <stddef.h>

#include "core/event.h"

struct effect *effects_add(struct effects *fx, enum effect_kind kind)
{
    struct effect *e;
    assert(fx->count < EFFECTS_MAX);
    e = &fx->list[fx->count++];
    e->kind = kind;
    e->to = NODE_NONE;
    e->mask = 0;
    return e;
}

const char *effect_kind_text(enum effect_kind kind)
{
    static const char *const texts[EFFECT_COUNT] = {
        "log",      "job",     "request",     "answer",   "report",     "command",
        "reply",    "propose", "barrier",     "transfer", "membership", "rank",
        "by-hand",  "lease",   "lease-clear", "shut",     "vip-up",     "vip-down",
        "announce", "block",   "release",     "role",     "quit",
    };
    return (unsigned)kind < EFFECT_COUNT ? texts[kind] : "invalid";
}

const char *effect_role_text(enum effect_role role)
{
    static const char *const texts[ROLE_COUNT] = {"INIT", "MASTER", "BACKUP", "FAULT", "STOP"};
    return (unsigned)role < ROLE_COUNT ? texts[role] : "FAULT";
}

const char *event_kind_text(enum event_kind kind)
{
    static const char *const texts[EVENT_COUNT] = {
        "tick",    "stall",    "probe",    "server-started", "server-died", "start-failed",
        "job",     "request",  "answer",   "report",         "peer",        "command",
        "reply",   "elected",  "deposed",  "leader",         "lease",       "doubt",
        "applied", "restored", "proposal", "transfer",       "members",     "change",
        "vip",     "link",     "clone",    "host",           "arbiters",    "trouble",
        "quit",
    };
    return (unsigned)kind < EVENT_COUNT ? texts[kind] : "invalid";
}
