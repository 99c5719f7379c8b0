/* SPDX-License-Identifier: Apache-2.0 */
/* The note of core/release.h in the state directory: read once, written behind the loop's back. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "app/agent.h"

#define RELEASE_FILE "released"
#define RELEASE_RETRY_US 1000000

static void release_path(const struct agent *a, char path[STATE_FILE_PATH_MAX])
{
    (void)snprintf(path, STATE_FILE_PATH_MAX, "%s/" RELEASE_FILE, a->node->state_dir);
}

static void release_run_text(const struct incarnation *run, char text[STATE_FILE_VALUE_MAX])
{
    size_t n = 0;
    for (unsigned i = 0; i < sizeof run->boot_id; i++)
        n += (size_t)snprintf(text + n, STATE_FILE_VALUE_MAX - n, "%02x", run->boot_id[i]);
    (void)snprintf(text + n, STATE_FILE_VALUE_MAX - n, " %" PRIu32 " %" PRIu64, run->pid,
                   run->start_ticks);
}

static bool release_run_parse(const char *text, struct incarnation *ret_run)
{
    struct incarnation run;
    size_t hex = 2 * sizeof run.boot_id;
    memset(&run, 0, sizeof run);
    if (strlen(text) < hex)
        return false;
    for (unsigned i = 0; i < sizeof run.boot_id; i++) {
        if (sscanf(text + (size_t)2 * i, "%2hhx", &run.boot_id[i]) != 1)
            return false;
    }
    if (sscanf(text + hex, " %" SCNu32 " %" SCNu64, &run.pid, &run.start_ticks) != 2)
        return false;
    *ret_run = run;
    return true;
}

static bool release_parse(const struct state_file *f, struct release_note *ret_note)
{
    struct release_note n;
    uint64_t released, no_tx;
    const char *run = state_file_get(f, "run");
    memset(&n, 0, sizeof n);
    if (state_file_get_u64(f, "epoch", &n.epoch) != 0 ||
        state_file_get_u64(f, "released", &released) != 0 ||
        state_file_get_u64(f, "no-tx", &no_tx) != 0 || run == NULL ||
        !release_run_parse(run, &n.run))
        return false;
    n.released = released != 0;
    n.no_tx = (uint32_t)no_tx;
    *ret_note = n;
    return true;
}

void agent_release_open(struct agent *a)
{
    struct release_note note = {.released = true};
    char path[STATE_FILE_PATH_MAX];
    struct state_file f;
    struct errmsg m = ERRMSG_INIT;
    int err;
    release_path(a, path);
    err = state_file_load(path, &f, &m);
    if (err == ERR_NOTFOUND)
        return;
    if (err != 0 || !release_parse(&f, &note))
        LOG(&a->log, WARNING, "release-file-unreadable",
            "whether commits ended here without an acknowledgement is not known: what this node "
            "holds alone waits for a human path=%s error='%s'",
            path, m.text);
    release_restore(a->core, &note);
}

static int release_fill(const struct release_note *note, struct state_file *f)
{
    char run[STATE_FILE_VALUE_MAX];
    int err;
    state_file_init(f);
    release_run_text(&note->run, run);
    err = state_file_set_u64(f, "epoch", note->epoch);
    if (err == 0)
        err = state_file_set_u64(f, "released", note->released);
    if (err == 0)
        err = state_file_set(f, "run", run);
    return err != 0 ? err : state_file_set_u64(f, "no-tx", note->no_tx);
}

static void release_save(struct agent *a);

static void release_saved(void *data, int err, const char *detail)
{
    struct agent *a = data;
    if (err == 0) {
        if (a->release.due && !a->stopping)
            release_save(a);
        return;
    }
    LOG(&a->log, ERROR, "release-file-failed",
        "it cannot be kept that commits ended here without an acknowledgement; tried again "
        "error='%s'",
        detail);
    a->release.due = true;
    a->release.not_before_us = agent_now_us() + RELEASE_RETRY_US;
}

static void release_save(struct agent *a)
{
    char path[STATE_FILE_PATH_MAX];
    struct state_file f;
    int err = release_fill(&a->release.note, &f);
    release_path(a, path);
    if (err == 0)
        err = state_save_start(&a->release.save, &a->loop, path, &f, release_saved, a);
    a->release.due = err != 0;
    if (err != 0 && err != ERR_BUSY)
        release_saved(a, err, err_text(err));
}

void agent_release_keep(struct agent *a, const struct release_note *note)
{
    a->release.note = *note;
    a->release.due = true;
    a->release.not_before_us = 0;
    release_save(a);
}

void agent_release_on_time(struct agent *a)
{
    if (a->release.due && !a->release.save.busy && agent_now_us() >= a->release.not_before_us)
        release_save(a);
}
