/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Entries and snapshots between libraft and the callbacks.
 *
 * Happy path: libraft applies a committed entry; its header says format and term; the callback gets
 * it once. After libraft was started again in place it applies the log anew: what was delivered
 * before is skipped.
 *
 * Failure modes: an entry or snapshot that is not understood stops everything that would follow
 * (`halted`); no error ever goes back into libraft, which would go on after half a step.
 */
#include <assert.h>
#include <string.h>

#include "arbiter/raft_impl.h"
#include "util/codec.h"

#define LAYOUT 1
#define HEADER_SIZE 16u

/* In front of entries and of snapshots (format and term 0: their bytes carry a version). */
struct header {
    uint8_t layout;
    uint16_t format;
    uint32_t len;
    uint64_t term;
};

static void walk_header(struct codec *c, struct header *h)
{
    uint8_t reserved = 0;
    codec_u8(c, &h->layout);
    codec_u8(c, &reserved);
    codec_u16(c, &h->format);
    codec_u32(c, &h->len);
    codec_u64(c, &h->term);
}

static int decode_header(const struct raft_buffer *buf, struct header *ret_header)
{
    struct codec c = codec_decoder(buf->base, buf->len < HEADER_SIZE ? buf->len : HEADER_SIZE);
    struct header h = {0};
    walk_header(&c, &h);
    if (c.err != 0)
        return c.err;
    if (h.layout != LAYOUT)
        return ERR_VERSION;
    if (h.len > buf->len - HEADER_SIZE)
        return ERR_FORMAT;
    *ret_header = h;
    return 0;
}

int raft_fsm_entry(uint16_t format, const void *bytes, size_t len, struct raft_buffer *ret_buf)
{
    struct header h = {.layout = LAYOUT, .format = format, .len = (uint32_t)len};
    size_t size = HEADER_SIZE + (len + 7) / 8 * 8; /* libraft wants multiples of 8 */
    uint8_t *base = raft_calloc(1, size);
    struct codec c;
    if (base == NULL)
        return ERR_NOMEM;
    c = codec_encoder(base, HEADER_SIZE);
    walk_header(&c, &h);
    if (len > 0)
        memcpy(base + HEADER_SIZE, bytes, len);
    *ret_buf = (struct raft_buffer){.base = base, .len = size};
    return 0;
}

void raft_fsm_stamp(struct raft_buffer *buf, uint64_t term)
{
    struct header h = {0};
    int err = decode_header(buf, &h);
    struct codec c = codec_encoder(buf->base, HEADER_SIZE);
    assert(err == 0);
    h.term = term;
    walk_header(&c, &h);
}

static void halt(struct raft_node *node, uint64_t index, const char *what)
{
    char text[DETAIL_TEXT_MAX];
    node->halted = true;
    node->vote.rank = ARBITER_RANK_NONE;
    (void)snprintf(text, sizeof text,
                   "%s at index %llu is not understood by this agent: nothing after it is applied; "
                   "upgrade the agent",
                   what, (unsigned long long)index);
    raft_life_trouble(node, RAFT_TROUBLE_UNKNOWN_ENTRY, text);
}

static int fsm_apply(struct raft_fsm *fsm, const struct raft_buffer *buf, void **result)
{
    struct raft_node *node = fsm->data;
    /* libraft counts an entry as applied after this call. */
    uint64_t index = node->raft.last_applied + 1;
    struct header h;
    *result = NULL;
    if (node->halted || index <= node->delivered)
        return 0;
    if (decode_header(buf, &h) != 0 || h.format > node->cfg.entry_format ||
        node->cfg.callbacks.on_apply(node->cfg.callbacks.data, index, h.term,
                                     (uint8_t *)buf->base + HEADER_SIZE, h.len) != 0)
        halt(node, index, "the entry");
    else
        node->delivered = index;
    return 0;
}

static int fsm_snapshot(struct raft_fsm *fsm, struct raft_buffer *bufs[], unsigned *n_bufs)
{
    struct raft_node *node = fsm->data;
    struct raft_buffer *buf = raft_malloc(sizeof *buf);
    uint8_t *base = raft_malloc(HEADER_SIZE + RAFT_NODE_SNAPSHOT_MAX);
    struct header h = {.layout = LAYOUT};
    size_t len = 0;
    struct codec c;
    /* After a start in place the state is ahead of what libraft has applied again. */
    bool ahead = node->delivered > node->raft.last_applied;
    if (buf == NULL || base == NULL || node->halted || node->failed || ahead ||
        node->cfg.callbacks.on_snapshot_take(node->cfg.callbacks.data, base + HEADER_SIZE,
                                             RAFT_NODE_SNAPSHOT_MAX, &len) != 0) {
        raft_free(buf);
        raft_free(base);
        return RAFT_BUSY; /* the one place where libraft takes an error: it tries again later */
    }
    assert(len <= RAFT_NODE_SNAPSHOT_MAX);
    h.len = (uint32_t)len;
    c = codec_encoder(base, HEADER_SIZE);
    walk_header(&c, &h);
    *buf = (struct raft_buffer){.base = base, .len = HEADER_SIZE + len};
    *bufs = buf;
    *n_bufs = 1;
    return 0;
}

static int fsm_restore(struct raft_fsm *fsm, struct raft_buffer *buf)
{
    struct raft_node *node = fsm->data;
    /* From the disk at the start, or of an installed snapshot, where libraft has set the index. */
    uint64_t index = node->load_index != 0 ? node->load_index : node->raft.commit_index;
    struct header h;
    if (!node->halted && index > node->delivered) {
        if (decode_header(buf, &h) != 0 ||
            node->cfg.callbacks.on_snapshot_restore(node->cfg.callbacks.data, index,
                                                    (uint8_t *)buf->base + HEADER_SIZE, h.len) != 0)
            halt(node, index, "the snapshot");
        else
            node->delivered = index;
    }
    raft_free(buf->base);
    return 0;
}

void raft_fsm_init(struct raft_node *node)
{
    node->fsm = (struct raft_fsm){.version = 1,
                                  .data = node,
                                  .apply = fsm_apply,
                                  .snapshot = fsm_snapshot,
                                  .restore = fsm_restore};
}
