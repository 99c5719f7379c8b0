/* SPDX-License-Identifier: Apache-2.0 */
#include "io/clone/clone_job.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

struct clone_job {
    uv_loop_t *loop;
    struct clone_job_callbacks callbacks;
    uv_process_t process;
    uv_pipe_t out;
    unsigned open; /* handles */
    bool busy;
    int status;
    char line[CLONE_LINE_MAX];
    size_t used;
    bool too_long;
    char chunk[CLONE_LINE_MAX];
    bool closing;
    void (*closed)(void *data);
    void *closed_data;
};

int clone_job_open(uv_loop_t *loop, const struct clone_job_callbacks *callbacks,
                   struct clone_job **ret_job)
{
    struct clone_job *job = calloc(1, sizeof *job);
    if (job == NULL)
        return ERR_NOMEM;
    job->loop = loop;
    job->callbacks = *callbacks;
    *ret_job = job;
    return 0;
}

bool clone_job_is_busy(const struct clone_job *job)
{
    return job->busy;
}

static void job_free(struct clone_job *job)
{
    void (*closed)(void *) = job->closed;
    void *data = job->closed_data;
    free(job);
    closed(data);
}

static void job_handle_closed(uv_handle_t *handle)
{
    struct clone_job *job = handle->data;
    if (--job->open > 0)
        return;
    job->busy = false;
    if (job->closing)
        job_free(job);
    else
        job->callbacks.on_end(job->callbacks.data, job->status);
}

static void job_byte(struct clone_job *job, char byte)
{
    if (byte != '\n') {
        job->too_long = job->too_long || job->used + 1 == sizeof job->line;
        if (!job->too_long)
            job->line[job->used++] = byte;
        return;
    }
    job->line[job->used] = '\0';
    if (!job->too_long && !job->closing)
        job->callbacks.on_line(job->callbacks.data, job->line);
    job->used = 0;
    job->too_long = false;
}

static void job_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct clone_job *job = handle->data;
    (void)suggested;
    *buf = uv_buf_init(job->chunk, sizeof job->chunk);
}

static void job_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct clone_job *job = stream->data;
    for (ssize_t i = 0; i < n; i++)
        job_byte(job, buf->base[i]);
    if (n < 0 && !uv_is_closing((uv_handle_t *)stream))
        uv_close((uv_handle_t *)stream, job_handle_closed);
}

static void job_exit(uv_process_t *process, int64_t status, int number)
{
    struct clone_job *job = process->data;
    job->status = number != 0 ? 128 + number : (int)status;
    uv_close((uv_handle_t *)process, job_handle_closed);
}

/* A file without a name, read from its start: nothing of the order touches a disk or a command
 * line. */
static int job_order(const void *order, size_t len, int *ret_fd)
{
    int fd = memfd_create("tandem-copy", MFD_CLOEXEC);
    if (fd < 0)
        return ERR_IO;
    if (write(fd, order, len) != (ssize_t)len || lseek(fd, 0, SEEK_SET) != 0) {
        (void)close(fd);
        return ERR_IO;
    }
    *ret_fd = fd;
    return 0;
}

static int job_spawn(struct clone_job *job, const char *word, int order_fd)
{
    char self[] = "/proc/self/exe";
    char argument[32];
    char *args[] = {self, argument, NULL};
    uv_stdio_container_t stdio[3] = {{.flags = UV_INHERIT_FD, .data.fd = order_fd},
                                     {.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE},
                                     {.flags = UV_IGNORE}};
    uv_process_options_t options = {.file = self,
                                    .args = args,
                                    .exit_cb = job_exit,
                                    .flags = UV_PROCESS_DETACHED,
                                    .stdio_count = 3,
                                    .stdio = stdio};
    (void)snprintf(argument, sizeof argument, "%s", word);
    stdio[1].data.stream = (uv_stream_t *)&job->out;
    return uv_spawn(job->loop, &job->process, &options);
}

int clone_job_start(struct clone_job *job, const char *word, const void *order, size_t len,
                    struct errmsg *m)
{
    int fd = -1;
    int rc;
    if (job->busy || job->closing)
        return errmsg_set(m, ERR_BUSY, "another copy is under way on this node");
    if (job_order(order, len, &fd) != 0)
        return errmsg_set(m, ERR_IO, "copying process: %s", strerror(errno));
    job->process.data = job->out.data = job;
    (void)uv_pipe_init(job->loop, &job->out, 0);
    job->used = 0;
    job->too_long = false;
    job->status = 0;
    job->busy = true;
    job->open = 2;
    rc = job_spawn(job, word, fd);
    (void)close(fd);
    if (rc == 0)
        rc = uv_read_start((uv_stream_t *)&job->out, job_alloc, job_read);
    if (rc == 0)
        return 0;
    /* Ends like a process that failed at once. */
    job->status = 127;
    uv_close((uv_handle_t *)&job->process, job_handle_closed);
    uv_close((uv_handle_t *)&job->out, job_handle_closed);
    return 0;
}

/* It leads a session of its own, so its process group is all that it has started. */
void clone_job_kill(struct clone_job *job)
{
    if (job->busy && !uv_is_closing((uv_handle_t *)&job->process))
        (void)kill(-job->process.pid, SIGKILL);
}

void clone_job_close(struct clone_job *job, void (*done)(void *data), void *data)
{
    job->closing = true;
    job->closed = done;
    job->closed_data = data;
    if (job->busy)
        clone_job_kill(job);
    else
        job_free(job);
}
