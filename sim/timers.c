/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/timers.h"

#include <assert.h>
#include <stdlib.h>

void sim_timers_init(struct sim_timers *t, int64_t now_us)
{
    *t = (struct sim_timers){.now_us = now_us};
}

void sim_timers_release(struct sim_timers *t)
{
    for (size_t i = 0; i < t->n; i++)
        t->heap[i]->place = 0;
    free(t->heap);
    *t = (struct sim_timers){.now_us = t->now_us};
}

void sim_timer_init(struct sim_timer *timer, void (*fn)(void *data), void *data)
{
    *timer = (struct sim_timer){.fn = fn, .data = data};
}

bool sim_timer_is_set(const struct sim_timer *timer)
{
    return timer->place != 0;
}

/* ---- the heap: the parent of i is (i - 1) / 2 ---- */

static bool is_before(const struct sim_timer *a, const struct sim_timer *b)
{
    return a->at_us != b->at_us ? a->at_us < b->at_us : a->order < b->order;
}

static void put(struct sim_timers *t, size_t i, struct sim_timer *timer)
{
    t->heap[i] = timer;
    timer->place = i + 1;
}

static void sift_up(struct sim_timers *t, size_t i, struct sim_timer *timer)
{
    while (i > 0 && is_before(timer, t->heap[(i - 1) / 2])) {
        put(t, i, t->heap[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
    put(t, i, timer);
}

static void sift_down(struct sim_timers *t, size_t i, struct sim_timer *timer)
{
    for (;;) {
        size_t child = 2 * i + 1;
        if (child + 1 < t->n && is_before(t->heap[child + 1], t->heap[child]))
            child++;
        if (child >= t->n || !is_before(t->heap[child], timer))
            break;
        put(t, i, t->heap[child]);
        i = child;
    }
    put(t, i, timer);
}

void sim_timer_stop(struct sim_timers *t, struct sim_timer *timer)
{
    size_t i = timer->place - 1;
    struct sim_timer *last;
    if (timer->place == 0)
        return;
    timer->place = 0;
    last = t->heap[--t->n];
    if (last == timer)
        return;
    if (i > 0 && is_before(last, t->heap[(i - 1) / 2]))
        sift_up(t, i, last);
    else
        sift_down(t, i, last);
}

void sim_timer_set(struct sim_timers *t, struct sim_timer *timer, int64_t at_us)
{
    sim_timer_stop(t, timer);
    if (at_us == SIM_NEVER)
        return;
    timer->at_us = at_us > t->now_us ? at_us : t->now_us;
    timer->order = t->order++;
    if (t->n == t->size) {
        t->size = t->size == 0 ? 64 : 2 * t->size;
        t->heap = realloc(t->heap, t->size * sizeof(struct sim_timer *));
        assert(t->heap != NULL);
    }
    sift_up(t, t->n++, timer);
}

int64_t sim_timers_next_us(const struct sim_timers *t)
{
    return t->n > 0 ? t->heap[0]->at_us : SIM_NEVER;
}

void sim_timers_run_next(struct sim_timers *t)
{
    struct sim_timer *timer = t->heap[0];
    assert(t->n > 0 && timer->at_us >= t->now_us);
    t->now_us = timer->at_us;
    sim_timer_stop(t, timer);
    timer->fn(timer->data);
}

void sim_timers_run(struct sim_timers *t, int64_t until_us)
{
    while (sim_timers_next_us(t) <= until_us)
        sim_timers_run_next(t);
    t->now_us = until_us;
}
