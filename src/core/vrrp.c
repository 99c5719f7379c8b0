/* SPDX-License-Identifier: Apache-2.0 */
#include "core/vrrp.h"

#include <assert.h>

#define CS_US 10000

/* The longest list: TAKE, CHANGED, one SEND per router; or CHANGED, RELEASE, one SEND per router.
 */
_Static_assert(VRRP_EFFECTS_MAX >= 3 + VRRP_ROUTERS_MAX, "room for the effects of one step");

static const char *const vrrp_causes[VRRP_CAUSE_COUNT] = {
    [VRRP_CAUSE_START] = "started",
    [VRRP_CAUSE_STOP] = "stopped",
    [VRRP_CAUSE_SILENCE] = "the master fell silent",
    [VRRP_CAUSE_RELEASED] = "the master gave up its role",
    [VRRP_CAUSE_BETTER] = "a better master speaks",
    [VRRP_CAUSE_FAULT] = "this node is unfit",
    [VRRP_CAUSE_FAULT_OVER] = "this node is fit again",
    [VRRP_CAUSE_RESIGN] = "resigned",
};

const char *vrrp_cause_text(enum vrrp_cause cause)
{
    assert(cause < VRRP_CAUSE_COUNT);
    return vrrp_causes[cause];
}

const char *vrrp_state_text(enum vrrp_state state)
{
    static const char *const words[VRRP_STATE_COUNT] = {"init", "backup", "master", "fault"};
    assert(state < VRRP_STATE_COUNT);
    return words[state];
}

void vrrp_init(struct vrrp *v, const struct vrrp_options *options)
{
    assert(options->n_routers >= 1 && options->n_routers <= VRRP_ROUTERS_MAX);
    assert(options->priority >= VRRP_PRIORITY_MIN && options->priority <= VRRP_PRIORITY_MAX);
    assert(options->interval_cs >= 1);
    *v = (struct vrrp){.options = *options};
    for (unsigned i = 0; i < v->options.n_routers; i++)
        v->routers[i].master_interval_cs = v->options.interval_cs;
}

uint8_t vrrp_priority(const struct vrrp *v)
{
    int priority = v->options.priority + v->weight;
    if (priority < VRRP_PRIORITY_MIN)
        return VRRP_PRIORITY_MIN;
    return priority > VRRP_PRIORITY_MAX ? VRRP_PRIORITY_MAX : (uint8_t)priority;
}

/* RFC 9568 6.1; RFC 3768 6.1 has seconds where version 3 has the Master's interval. */
static int64_t skew_us(const struct vrrp *v, unsigned router)
{
    int64_t unit = v->options.routers[router].version == 2
                       ? 100 * CS_US
                       : (int64_t)v->routers[router].master_interval_cs * CS_US;
    return (256 - vrrp_priority(v)) * unit / 256;
}

int64_t vrrp_down_interval_us(const struct vrrp *v, unsigned router)
{
    return 3 * (int64_t)v->routers[router].master_interval_cs * CS_US + skew_us(v, router);
}

/* All routers must have lost the Master: see the header. */
static int64_t down_at_us(const struct vrrp *v)
{
    int64_t at = v->routers[0].down_at_us;
    for (unsigned i = 1; i < v->options.n_routers; i++)
        at = v->routers[i].down_at_us > at ? v->routers[i].down_at_us : at;
    return at;
}

int64_t vrrp_deadline_us(const struct vrrp *v)
{
    if (v->state == VRRP_BACKUP)
        return down_at_us(v);
    return v->state == VRRP_MASTER ? v->advert_at_us : 0;
}

static struct vrrp_effect *effect_add(struct vrrp_effects *e, enum vrrp_effect_type type)
{
    assert(e->n < VRRP_EFFECTS_MAX);
    e->list[e->n] = (struct vrrp_effect){.type = type};
    return &e->list[e->n++];
}

static void send_all(const struct vrrp *v, uint8_t priority, struct vrrp_effects *e)
{
    for (unsigned i = 0; i < v->options.n_routers; i++) {
        struct vrrp_effect *send = effect_add(e, VRRP_EFFECT_SEND);
        send->router = i;
        send->priority = priority;
    }
}

static void change(struct vrrp *v, enum vrrp_state to, enum vrrp_cause cause,
                   struct vrrp_effects *e)
{
    struct vrrp_effect *changed = effect_add(e, VRRP_EFFECT_CHANGED);
    changed->from = v->state;
    changed->to = to;
    changed->cause = cause;
    v->state = to;
}

static void advertise(struct vrrp *v, int64_t now_us, struct vrrp_effects *e)
{
    v->advert_at_us = now_us + (int64_t)v->options.interval_cs * CS_US;
    send_all(v, vrrp_priority(v), e);
}

static void announce_after(struct vrrp *v, int64_t pause_us, int64_t now_us, struct vrrp_effects *e)
{
    if (now_us - v->announced_at_us < pause_us)
        return;
    v->announced_at_us = now_us;
    (void)effect_add(e, VRRP_EFFECT_ANNOUNCE);
}

/* RFC 9568 6.4.2: the advertisement goes out before the neighbours are told. */
static void become_master(struct vrrp *v, enum vrrp_cause cause, int64_t now_us,
                          struct vrrp_effects *e)
{
    change(v, VRRP_MASTER, cause, e);
    v->announced_at_us = now_us;
    advertise(v, now_us, e);
    (void)effect_add(e, VRRP_EFFECT_TAKE);
}

static void become_backup(struct vrrp *v, enum vrrp_cause cause, int64_t now_us,
                          struct vrrp_effects *e)
{
    change(v, VRRP_BACKUP, cause, e);
    v->preempt_at_us = 0;
    for (unsigned i = 0; i < v->options.n_routers; i++) {
        v->routers[i].released = false;
        v->routers[i].down_at_us = now_us + vrrp_down_interval_us(v, i);
    }
}

/* The addresses go before the goodbye is said: who hears it takes them. */
static void leave_master(struct vrrp *v, bool goodbye, struct vrrp_effects *e)
{
    (void)effect_add(e, VRRP_EFFECT_RELEASE);
    if (goodbye)
        send_all(v, VRRP_PRIORITY_RELEASE, e);
}

/* RFC 9568 6.4.1: what an earlier Master said of its interval is forgotten. */
static void begin_waiting(struct vrrp *v, enum vrrp_cause cause, int64_t now_us,
                          struct vrrp_effects *e)
{
    for (unsigned i = 0; i < v->options.n_routers; i++)
        v->routers[i].master_interval_cs = v->options.interval_cs;
    become_backup(v, cause, now_us, e);
}

static void on_start(struct vrrp *v, const struct vrrp_event *event, struct vrrp_effects *e)
{
    if (v->state != VRRP_INIT)
        return;
    if (v->faults != 0)
        change(v, VRRP_FAULT, VRRP_CAUSE_FAULT, e);
    else
        begin_waiting(v, VRRP_CAUSE_START, event->now_us, e);
}

static void on_stop(struct vrrp *v, struct vrrp_effects *e)
{
    bool master = v->state == VRRP_MASTER;
    if (v->state == VRRP_INIT)
        return;
    change(v, VRRP_INIT, VRRP_CAUSE_STOP, e);
    if (master)
        leave_master(v, /* goodbye= */ true, e);
}

static bool all_released(const struct vrrp *v)
{
    for (unsigned i = 0; i < v->options.n_routers; i++) {
        if (!v->routers[i].released)
            return false;
    }
    return true;
}

static void on_timer(struct vrrp *v, const struct vrrp_event *event, struct vrrp_effects *e)
{
    int64_t deadline = vrrp_deadline_us(v);
    if (deadline == 0 || event->now_us < deadline)
        return;
    if (v->state == VRRP_MASTER) {
        advertise(v, event->now_us, e);
        announce_after(v, VRRP_ANNOUNCE_EVERY_US, event->now_us, e);
        return;
    }
    become_master(v, all_released(v) ? VRRP_CAUSE_RELEASED : VRRP_CAUSE_SILENCE, event->now_us, e);
}

static void on_faults(struct vrrp *v, const struct vrrp_event *event, struct vrrp_effects *e)
{
    bool master = v->state == VRRP_MASTER;
    v->faults = event->faults;
    if (v->state == VRRP_INIT)
        return;
    if (v->faults == 0 && v->state == VRRP_FAULT) {
        begin_waiting(v, VRRP_CAUSE_FAULT_OVER, event->now_us, e);
    } else if (v->faults != 0 && v->state != VRRP_FAULT) {
        change(v, VRRP_FAULT, VRRP_CAUSE_FAULT, e);
        if (master)
            leave_master(v, /* goodbye= */ true, e);
    }
}

static void on_resign(struct vrrp *v, const struct vrrp_event *event, struct vrrp_effects *e)
{
    if (v->state != VRRP_MASTER)
        return;
    become_backup(v, VRRP_CAUSE_RESIGN, event->now_us, e);
    leave_master(v, /* goodbye= */ true, e);
}

/* RFC 9568 6.4.2. */
static void backup_hears(struct vrrp *v, const struct vrrp_event *event)
{
    struct vrrp_router *r = &v->routers[event->router];
    bool lesser = event->priority < vrrp_priority(v);
    r->released = event->priority == VRRP_PRIORITY_RELEASE;
    if (r->released) {
        r->down_at_us = event->now_us + skew_us(v, event->router);
        return;
    }
    if (!lesser)
        v->preempt_at_us = 0;
    else if (v->preempt_at_us == 0)
        v->preempt_at_us = event->now_us + (int64_t)v->options.preempt_delay_ms * 1000;
    /* Not taking it into account lets the timer run out, and that is what preempts. */
    if (lesser && v->options.preempt && event->now_us >= v->preempt_at_us)
        return;
    if (v->options.routers[event->router].version != 2)
        r->master_interval_cs = event->interval_cs;
    r->down_at_us = event->now_us + vrrp_down_interval_us(v, event->router);
}

/* RFC 9568 6.4.3: the greater address wins among equals. */
static bool is_better(const struct vrrp *v, const struct vrrp_event *event)
{
    uint8_t priority = vrrp_priority(v);
    const struct vrrp_address *own = &v->options.routers[event->router].own;
    return event->priority > priority ||
           (event->priority == priority && vrrp_address_compare(&event->source, own) > 0);
}

/* RFC 9568 6.4.3. */
static void master_hears(struct vrrp *v, const struct vrrp_event *event, struct vrrp_effects *e)
{
    struct vrrp_router *r = &v->routers[event->router];
    if (event->priority == VRRP_PRIORITY_RELEASE) {
        advertise(v, event->now_us, e);
        return;
    }
    if (is_better(v, event)) {
        if (v->options.routers[event->router].version != 2)
            r->master_interval_cs = event->interval_cs;
        become_backup(v, VRRP_CAUSE_BETTER, event->now_us, e);
        /* In other routers of the set the better one may still be a backup: it need not wait. */
        leave_master(v, v->options.n_routers > 1, e);
        return;
    }
    /* A lesser Master: tell it at once. Neighbours may have believed it, for instance while a cable
     * was unplugged between the two. */
    advertise(v, event->now_us, e);
    announce_after(v, (int64_t)v->options.interval_cs * CS_US, event->now_us, e);
}

static void on_advert(struct vrrp *v, const struct vrrp_event *event, struct vrrp_effects *e)
{
    assert(event->router < v->options.n_routers);
    if (v->state == VRRP_INIT)
        return;
    v->master = event->source;
    v->master_priority = event->priority;
    if (v->state == VRRP_BACKUP)
        backup_hears(v, event);
    else if (v->state == VRRP_MASTER)
        master_hears(v, event, e);
}

void vrrp_step(struct vrrp *v, const struct vrrp_event *event, struct vrrp_effects *ret_effects)
{
    ret_effects->n = 0;
    switch (event->type) {
    case VRRP_EVENT_START:
        on_start(v, event, ret_effects);
        break;
    case VRRP_EVENT_STOP:
        on_stop(v, ret_effects);
        break;
    case VRRP_EVENT_TIMER:
        on_timer(v, event, ret_effects);
        break;
    case VRRP_EVENT_ADVERT:
        on_advert(v, event, ret_effects);
        break;
    case VRRP_EVENT_FAULTS:
        on_faults(v, event, ret_effects);
        break;
    case VRRP_EVENT_WEIGHT:
        v->weight = event->weight;
        break;
    case VRRP_EVENT_PREEMPT:
        v->options.preempt = event->preempt;
        break;
    case VRRP_EVENT_RESIGN:
        on_resign(v, event, ret_effects);
        break;
    case VRRP_EVENT_COUNT:
        assert(false);
    }
}
