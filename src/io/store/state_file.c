/* SPDX-License-Identifier: Apache-2.0 */
#include "io/store/state_file.h"

#include "io/store/durable.h"
#include "util/codec.h"
#include "util/crc32.h"

#define STATE_FILE_VERSION 1
#define STATE_FILE_SIZE_MAX 16384

static const uint8_t state_file_magic[4] = {'T', 'D', 'M', 'S'};

_Static_assert(STATE_FILE_ENTRIES_MAX *(STATE_FILE_KEY_MAX + STATE_FILE_VALUE_MAX + 4) + 32 <
                   STATE_FILE_SIZE_MAX,
               "every content fits");

/* --- values ----------------------------------------------------------------------------------- */

void state_file_init(struct state_file *f)
{
    memset(f, 0, sizeof *f);
}

static struct state_file_entry *entry_find(struct state_file *f, const char *key)
{
    for (unsigned i = 0; i < f->count; i++)
        if (strcmp(f->entries[i].key, key) == 0)
            return &f->entries[i];
    return NULL;
}

const char *state_file_get(const struct state_file *f, const char *key)
{
    for (unsigned i = 0; i < f->count; i++)
        if (strcmp(f->entries[i].key, key) == 0)
            return f->entries[i].value;
    return NULL;
}

int state_file_get_u64(const struct state_file *f, const char *key, uint64_t *ret_value)
{
    const char *text = state_file_get(f, key);
    uint64_t v = 0;
    if (text == NULL)
        return ERR_NOTFOUND;
    if (*text == '\0')
        return ERR_FORMAT;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9' || v > (UINT64_MAX - (uint64_t)(*text - '0')) / 10)
            return ERR_FORMAT;
        v = v * 10 + (uint64_t)(*text - '0');
    }
    *ret_value = v;
    return 0;
}

int state_file_set(struct state_file *f, const char *key, const char *value)
{
    struct state_file_entry *e = entry_find(f, key);
    if (key[0] == '\0' || strlen(key) >= sizeof e->key || strlen(value) >= sizeof e->value)
        return ERR_RANGE;
    if (e == NULL) {
        if (f->count == STATE_FILE_ENTRIES_MAX)
            return ERR_FULL;
        e = &f->entries[f->count++];
        memset(e, 0, sizeof *e);
        memcpy(e->key, key, strlen(key));
    }
    memset(e->value, 0, sizeof e->value);
    memcpy(e->value, value, strlen(value));
    return 0;
}

int state_file_set_u64(struct state_file *f, const char *key, uint64_t value)
{
    char text[24];
    (void)snprintf(text, sizeof text, "%llu", (unsigned long long)value);
    return state_file_set(f, key, text);
}

void state_file_remove(struct state_file *f, const char *key)
{
    struct state_file_entry *e = entry_find(f, key);
    if (e == NULL)
        return;
    *e = f->entries[--f->count];
    memset(&f->entries[f->count], 0, sizeof f->entries[0]);
}

/* --- bytes ------------------------------------------------------------------------------------ */

static void walk(struct codec *c, struct state_file *f)
{
    uint8_t magic[4];
    uint16_t version = STATE_FILE_VERSION;
    memcpy(magic, state_file_magic, sizeof magic);
    codec_bytes(c, magic, sizeof magic);
    codec_u16(c, &version);
    if (c->err == 0 && memcmp(magic, state_file_magic, sizeof magic) != 0)
        c->err = ERR_FORMAT;
    if (c->err == 0 && version != STATE_FILE_VERSION)
        c->err = ERR_VERSION;
    codec_count(c, &f->count, STATE_FILE_ENTRIES_MAX);
    for (unsigned i = 0; i < f->count && c->err == 0; i++) {
        codec_text(c, f->entries[i].key, sizeof f->entries[i].key);
        codec_text(c, f->entries[i].value, sizeof f->entries[i].value);
    }
}

static int decode(const uint8_t *buf, size_t n, struct state_file *ret_file)
{
    struct codec c = codec_decoder(buf, n < 4 ? 0 : n - 4);
    struct codec tail = codec_decoder(buf + (n < 4 ? 0 : n - 4), n < 4 ? 0 : 4);
    struct state_file f;
    uint32_t crc = 0;
    state_file_init(&f);
    codec_u32(&tail, &crc);
    if (tail.err != 0 || crc32_update(0, buf, n - 4) != crc)
        return ERR_FORMAT;
    walk(&c, &f);
    if (codec_finish(&c) != 0)
        return codec_finish(&c);
    *ret_file = f;
    return 0;
}

static int encode(const struct state_file *f, uint8_t *buf, size_t size, size_t *ret_size)
{
    struct codec c = codec_encoder(buf, size);
    struct state_file copy = *f;
    uint32_t crc;
    walk(&c, &copy);
    crc = crc32_update(0, buf, codec_used(&c));
    codec_u32(&c, &crc);
    *ret_size = codec_used(&c);
    return codec_finish(&c);
}

int state_file_load(const char *path, struct state_file *ret_file, struct errmsg *m)
{
    uint8_t buf[STATE_FILE_SIZE_MAX];
    size_t used = 0;
    int err = durable_read(path, buf, sizeof buf, &used, m);
    if (err != 0)
        return err;
    err = decode(buf, used, ret_file);
    if (err != 0)
        return errmsg_set(m, err, "%s: %s", path,
                          err == ERR_VERSION ? "written by a newer program" : "damaged");
    return 0;
}

/* --- writing ---------------------------------------------------------------------------------- */

int state_file_write(const char *path, const struct state_file *f, struct errmsg *m)
{
    uint8_t buf[STATE_FILE_SIZE_MAX];
    size_t size;
    int err = encode(f, buf, sizeof buf, &size);
    return err != 0 ? err : durable_write(path, buf, size, m);
}

static void save_work(uv_work_t *work)
{
    struct state_save *s = work->data;
    s->err = state_file_write(s->path, &s->file, &s->errmsg);
}

/* Never cancelled, so the status is 0. */
static void save_after(uv_work_t *work, int status)
{
    struct state_save *s = work->data;
    (void)status;
    s->busy = false;
    s->done(s->data, s->err, s->errmsg.text);
}

int state_save_start(struct state_save *s, uv_loop_t *loop, const char *path,
                     const struct state_file *f,
                     void (*done)(void *data, int err, const char *detail), void *data)
{
    if (s->busy)
        return ERR_BUSY;
    if (snprintf(s->path, sizeof s->path, "%s", path) >= (int)sizeof s->path)
        return ERR_RANGE;
    s->file = *f;
    s->errmsg = (struct errmsg)ERRMSG_INIT;
    s->done = done;
    s->data = data;
    s->work.data = s;
    if (uv_queue_work(loop, &s->work, save_work, save_after) != 0)
        return ERR_NOMEM;
    s->busy = true;
    return 0;
}
