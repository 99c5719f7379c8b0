/* SPDX-License-Identifier: Apache-2.0 */
#include "core/health.h"

#include <string.h>

void health_init(struct health *h)
{
    memset(h, 0, sizeof *h);
    h->state = HEALTH_UNKNOWN;
}

static void health_set(struct health *h, int state, int64_t now_us)
{
    if (h->state == state)
        return;
    h->state = state;
    h->since_us = now_us;
    h->good = 0;
}

void health_started(struct health *h, int64_t now_us)
{
    h->process = true;
    h->answered = false;
    h->bad = 0;
    h->mute_us = 0;
    health_set(h, HEALTH_STARTING, now_us);
}

void health_died(struct health *h, int64_t now_us)
{
    h->process = false;
    h->answered = false;
    h->bad = 0;
    h->mute_us = 0;
    health_set(h, HEALTH_DEAD, now_us);
}

static void health_answered(struct health *h, const struct health_limits *l, int64_t now_us)
{
    bool first = !h->answered;
    h->answered = true;
    h->bad = 0;
    h->mute_us = 0;
    if (h->state == HEALTH_DISK || h->state == HEALTH_STALLED || h->state == HEALTH_OK)
        return;
    /* A flapping server must prove itself; one that has just started or was never judged need not.
     */
    if (first || h->state == HEALTH_FULL || h->state == HEALTH_DENIED || ++h->good >= l->rise)
        health_set(h, HEALTH_OK, now_us);
}

static void health_silent(struct health *h, const struct health_limits *l, int state,
                          int64_t now_us)
{
    h->good = 0;
    if (h->state == HEALTH_DEAD)
        return;
    if (state != HEALTH_HUNG)
        h->mute_us = 0;
    else if (h->mute_us == 0)
        h->mute_us = now_us;
    if (h->process && !h->answered) {
        bool mute = health_is_mute(h, l->mute_us, now_us);
        health_set(h, mute ? HEALTH_HUNG : HEALTH_STARTING, now_us);
        return;
    }
    if (++h->bad >= l->fall)
        health_set(h, h->process ? state : HEALTH_DEAD, now_us);
}

void health_probe(struct health *h, const struct health_limits *l, enum probe_outcome outcome,
                  int64_t now_us)
{
    switch (outcome) {
    case PROBE_OK:
    case PROBE_ERROR:
        health_answered(h, l, now_us);
        return;
    case PROBE_FULL:
        h->bad = 0;
        h->answered = true;
        h->mute_us = 0;
        health_set(h, HEALTH_FULL, now_us);
        return;
    case PROBE_DENIED:
        h->bad = 0;
        h->answered = true;
        h->mute_us = 0;
        health_set(h, HEALTH_DENIED, now_us);
        return;
    case PROBE_TIMEOUT:
        health_silent(h, l, HEALTH_HUNG, now_us);
        return;
    case PROBE_REFUSED:
    case PROBE_LOST:
    case PROBE_COUNT:
    default:
        health_silent(h, l, HEALTH_REFUSED, now_us);
    }
}

void health_disk(struct health *h, bool full, int64_t now_us)
{
    if (full && (h->state == HEALTH_OK || h->state == HEALTH_STALLED))
        health_set(h, HEALTH_DISK, now_us);
    else if (!full && h->state == HEALTH_DISK)
        health_set(h, HEALTH_OK, now_us);
}

void health_stall(struct health *h, bool stalled, int64_t now_us)
{
    if (stalled && h->state == HEALTH_OK)
        health_set(h, HEALTH_STALLED, now_us);
    else if (!stalled && h->state == HEALTH_STALLED)
        health_set(h, HEALTH_OK, now_us);
}

bool health_is_mute(const struct health *h, int64_t limit_us, int64_t now_us)
{
    return h->process && h->mute_us != 0 && now_us - h->mute_us >= limit_us;
}

bool health_is_good(int state)
{
    return state == HEALTH_OK;
}

bool health_is_alive(int state)
{
    return state == HEALTH_OK || state == HEALTH_FULL || state == HEALTH_DENIED ||
           state == HEALTH_STALLED;
}
