/* SPDX-License-Identifier: Apache-2.0 */
#include "io/store/rewind_job.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/store/undo_plan.h"

#define CUT_BYTES_MAX (4ULL << 30)
#define LOG_LINE_MAX 4096
#define LOG_BYTES_MAX (64U << 20)

/* --- manifest --------------------------------------------------------------------------------- */

int rewind_list_group(struct rewind_work *k, const struct binlog_group *g)
{
    char gtid[GTID_ONE_TEXT_MAX] = "";
    json_t *item;
    if (k->listed == NULL)
        k->listed = json_array();
    if (k->listed == NULL)
        return ERR_NOMEM;
    if (json_array_size(k->listed) >= REWIND_LISTED_MAX)
        return 0;
    if (g->has_gtid)
        (void)gtid_format_one(&g->gtid, gtid, sizeof gtid);
    item = json_pack("{s:s, s:s, s:I, s:I, s:I}", "gtid", gtid, "kind",
                     binlog_group_kind_text(g->kind), "offset", (json_int_t)g->start, "bytes",
                     (json_int_t)(g->end - g->start), "time_s", (json_int_t)g->timestamp_s);
    if (item == NULL || json_array_append_new(k->listed, item) != 0)
        return ERR_NOMEM;
    /* Names may be in any character set; what is not UTF-8 is left out. */
    (void)json_object_set_new(item, "what", json_string(g->detail));
    return 0;
}

int rewind_salvage_open(struct rewind_work *k, const char *kind)
{
    const struct rewind_request *r = k->req;
    json_t *root;
    int err = salvage_open(&k->salvage, r->salvage_dir, r->node, r->epoch, k->budget.cancel,
                           &k->res->errmsg);
    if (err != 0)
        return err;
    k->salvage_is_open = true;
    root = k->salvage.root;
    (void)json_object_set_new(root, "format", json_string("tandem-salvage-1"));
    (void)json_object_set_new(root, "kind", json_string(kind));
    (void)json_object_set_new(root, "node", json_string(r->node));
    (void)json_object_set_new(root, "epoch", json_integer((json_int_t)r->epoch));
    (void)json_object_set_new(root, "note", json_string(r->note));
    (void)json_object_set_new(root, "server_version", json_string(k->walk.format.version_text));
    (void)json_object_set_new(root, "seal", json_string(r->seal));
    (void)json_object_set_new(root, "writer", json_string(r->writer));
    (void)json_object_set_new(root, "extra", json_string(r->extra));
    return 0;
}

int rewind_salvage_commit(struct rewind_work *k)
{
    int err;
    if (k->listed != NULL)
        (void)json_object_set(k->salvage.root, "transactions", k->listed);
    k->res->salvaged_bytes = k->salvage.bytes;
    err = salvage_commit(&k->salvage, k->res->salvage_path, &k->res->errmsg);
    if (err != 0)
        k->res->salvage_path[0] = '\0';
    return err;
}

/* --- error log -------------------------------------------------------------------------------- */

static uint64_t file_size(const char *path)
{
    struct stat st;
    return path[0] != '\0' && stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
}

struct log_reader {
    struct recovery_report *report;
    char line[LOG_LINE_MAX];
    size_t used;
};

/* A line longer than the buffer is cut: what is looked for stands at the beginning. */
static void log_bytes(struct log_reader *l, const char *data, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (data[i] == '\n') {
            recovery_report_line(l->report, l->line, l->used);
            l->used = 0;
        } else if (l->used < sizeof l->line) {
            l->line[l->used++] = data[i];
        }
    }
}

/* A log shorter than the offset was rotated away: then the new file is read from its beginning. */
static int recovery_run(const struct rewind_request *r, struct rewind_result *res)
{
    struct log_reader l = {.report = &res->recovery};
    char buf[16384];
    ssize_t n = 1;
    uint64_t at = r->error_log_offset, end;
    int fd = open(r->error_log, O_RDONLY | O_CLOEXEC);
    recovery_report_init(&res->recovery);
    if (fd < 0)
        return errmsg_set(&res->errmsg, errno == ENOENT ? ERR_NOTFOUND : ERR_IO,
                          "cannot open %s: %s", r->error_log, strerror(errno));
    if (file_size(r->error_log) < at)
        at = 0;
    end = at + LOG_BYTES_MAX;
    while (n > 0 && at < end) {
        n = pread(fd, buf, sizeof buf, (off_t)at);
        if (n < 0 && errno == EINTR) {
            n = 1;
            continue;
        }
        if (n > 0)
            log_bytes(&l, buf, (size_t)n);
        at += n > 0 ? (uint64_t)n : 0;
    }
    (void)close(fd);
    return n < 0 ? errmsg_set(&res->errmsg, ERR_IO, "cannot read %s", r->error_log) : 0;
}

/* --- jobs ------------------------------------------------------------------------------------- */

/* Without an index the list stays empty, which each kind of job has its own answer to. */
static int open_index(struct rewind_work *k)
{
    const struct rewind_request *r = k->req;
    char path[BINLOG_PATH_MAX];
    int err = 0;
    if (r->binlog_index[0] != '\0')
        (void)snprintf(path, sizeof path, "%s", r->binlog_index);
    else
        err = binlog_index_find(r->data_dir, path, sizeof path, &k->res->errmsg);
    if (err == 0)
        err = binlog_index_read(path, r->data_dir, &k->index, &k->res->errmsg);
    return err == ERR_NOTFOUND || err == ERR_FORMAT ? 0 : err;
}

/* Before a start the outage of the node is as long as the reading, and a refusal costs nothing.
 * What a node holds alone has to be found and saved however much there is to read. */
static uint64_t bytes_max(const struct rewind_request *r)
{
    if (r->kind != REWIND_JOB_PLAN && r->kind != REWIND_JOB_CUT)
        return UINT64_MAX;
    return r->bytes_max != 0 ? r->bytes_max : CUT_BYTES_MAX;
}

static int run_kind(struct rewind_work *k)
{
    switch (k->req->kind) {
    case REWIND_JOB_EXTRACT:
    case REWIND_JOB_INSPECT:
        return rewind_extract_run(k);
    case REWIND_JOB_UNDO:
        return rewind_undo_run(k);
    default:
        return rewind_cut_run(k);
    }
}

static int files_run(const struct rewind_request *req, const atomic_bool *cancel,
                     struct rewind_result *res)
{
    struct rewind_work *k = calloc(1, sizeof *k);
    int err;
    if (k == NULL)
        return ERR_NOMEM;
    k->req = req;
    k->res = res;
    k->salvage.dir_fd = -1;
    k->budget.cancel = cancel;
    k->budget.bytes_left = bytes_max(req);
    res->error_log_size = file_size(req->error_log);
    err = open_index(k);
    if (err == 0)
        err = run_kind(k);
    if (k->salvage_is_open)
        salvage_close(&k->salvage);
    json_decref(k->listed);
    salvage_ranges_release(&k->ranges);
    binlog_index_release(&k->index);
    res->plan.seal = res->plan.writer = NULL;
    free(k);
    return err;
}

int rewind_run(const struct rewind_request *req, const atomic_bool *cancel,
               struct rewind_result *ret_result)
{
    memset(ret_result, 0, sizeof *ret_result);
    if (req->kind == REWIND_JOB_RECOVERY)
        ret_result->err = recovery_run(req, ret_result);
    else
        ret_result->err = files_run(req, cancel, ret_result);
    return ret_result->err;
}

bool rewind_is_same(const struct rewind_request *a, const struct rewind_request *b)
{
    return (a->kind == REWIND_JOB_EXTRACT || a->kind == REWIND_JOB_INSPECT) && a->kind == b->kind &&
           a->flavour == b->flavour && strcmp(a->extra, b->extra) == 0 &&
           a->tail_class == b->tail_class && strcmp(a->judged_by, b->judged_by) == 0 &&
           strcmp(a->data_dir, b->data_dir) == 0;
}

static void job_work(uv_work_t *work)
{
    struct rewind_job *job = work->data;
    job->result.err = rewind_run(&job->request, &job->cancel, &job->result);
}

static void job_after(uv_work_t *work, int status)
{
    struct rewind_job *job = work->data;
    if (status != 0) { /* cancelled before it began */
        memset(&job->result, 0, sizeof job->result);
        job->result.err = ERR_CANCELED;
    }
    job->busy = false;
    job->done(job->data, &job->result);
}

int rewind_job_start(struct rewind_job *job, uv_loop_t *loop, const struct rewind_request *req,
                     void (*done)(void *data, const struct rewind_result *result), void *data)
{
    if (job->busy)
        return ERR_BUSY;
    job->request = *req;
    job->done = done;
    job->data = data;
    job->work.data = job;
    atomic_store(&job->cancel, false);
    if (uv_queue_work(loop, &job->work, job_work, job_after) != 0)
        return ERR_NOMEM;
    job->busy = true;
    return 0;
}

void rewind_job_cancel(struct rewind_job *job)
{
    if (!job->busy)
        return;
    atomic_store(&job->cancel, true);
    (void)uv_cancel((uv_req_t *)&job->work);
}
