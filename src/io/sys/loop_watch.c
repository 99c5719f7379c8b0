/* SPDX-License-Identifier: Apache-2.0 */
#include "io/sys/loop_watch.h"

static int64_t clock_us(clockid_t clock)
{
    struct timespec t;
    (void)clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int64_t clock_boot_us(void)
{
    return clock_us(CLOCK_BOOTTIME);
}

int64_t clock_wall_ms(void)
{
    return clock_us(CLOCK_REALTIME) / 1000;
}

/* From `since` on the loop should have been elsewhere. */
static void loop_watch_judge(struct loop_watch *w, int64_t since_us, int64_t now_us)
{
    int64_t stall_us = now_us - since_us;
    w->busy_us = now_us;
    if (stall_us > w->limit_us)
        w->on_stall(w->data, stall_us);
}

static void loop_watch_on_check(uv_check_t *handle)
{
    loop_watch_look(handle->data);
}

static void loop_watch_on_prepare(uv_prepare_t *handle)
{
    struct loop_watch *w = handle->data;
    int timeout_ms = uv_backend_timeout(handle->loop);
    int64_t now_us = clock_boot_us();
    if (w->busy_us != 0)
        loop_watch_judge(w, w->busy_us, now_us);
    w->due_us = timeout_ms < 0 ? 0 : now_us + (int64_t)timeout_ms * 1000;
    w->busy_us = 0;
    w->polling = true;
}

void loop_watch_look(struct loop_watch *w)
{
    int64_t now_us = clock_boot_us();
    int64_t due_us = w->due_us;
    if (w->polling) {
        w->polling = false;
        /* Woken early by a descriptor, or no timer to be late for. */
        if (due_us == 0 || due_us > now_us)
            due_us = now_us;
        loop_watch_judge(w, due_us, now_us);
    } else if (w->busy_us != 0) {
        loop_watch_judge(w, w->busy_us, now_us);
    }
}

void loop_watch_start(struct loop_watch *w, uv_loop_t *loop, int64_t limit_us,
                      loop_watch_fn on_stall, void *data)
{
    *w = (struct loop_watch){.limit_us = limit_us, .on_stall = on_stall, .data = data};
    (void)uv_prepare_init(loop, &w->prepare);
    (void)uv_check_init(loop, &w->check);
    w->prepare.data = w->check.data = w;
    w->open_handles = 2;
    (void)uv_prepare_start(&w->prepare, loop_watch_on_prepare);
    (void)uv_check_start(&w->check, loop_watch_on_check);
    uv_unref((uv_handle_t *)&w->prepare);
    uv_unref((uv_handle_t *)&w->check);
}

static void loop_watch_on_closed(uv_handle_t *handle)
{
    struct loop_watch *w = handle->data;
    if (--w->open_handles == 0 && w->done != NULL)
        w->done(w->done_data);
}

void loop_watch_close(struct loop_watch *w, void (*done)(void *data), void *data)
{
    w->done = done;
    w->done_data = data;
    uv_close((uv_handle_t *)&w->prepare, loop_watch_on_closed);
    uv_close((uv_handle_t *)&w->check, loop_watch_on_closed);
}
