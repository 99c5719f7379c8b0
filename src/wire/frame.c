/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/frame.h"

#include <assert.h>
#include <string.h>

#include "util/codec.h"

#define FRAME_MAGIC 0x6474u /* "td" */
#define FRAME_LAYOUT 1u

static const char *const kind_names[] = {
    [FRAME_HELLO] = "hello",     [FRAME_PING] = "ping",     [FRAME_RAFT] = "raft",
    [FRAME_REQUEST] = "request", [FRAME_ANSWER] = "answer", [FRAME_REPORT] = "report",
    [FRAME_COMMAND] = "command", [FRAME_REPLY] = "reply",
};
_Static_assert(sizeof(kind_names) / sizeof(kind_names[0]) == FRAME_KIND_COUNT, "a name per kind");

static const char *const verdict_texts[] = {
    [FRAME_VERDICT_WELCOME] = "nothing is wrong",
    [FRAME_VERDICT_PROTOCOL] = "the agents speak different versions of the protocol",
    [FRAME_VERDICT_CLUSTER] = "the agents belong to different clusters",
    [FRAME_VERDICT_NODE] = "the cluster files differ in the names or the order of the nodes",
    [FRAME_VERDICT_GENERATION] = "the quorum was rebuilt without one of the two",
    [FRAME_VERDICT_ARBITER] = "the cluster files differ in the arbiter",
};
_Static_assert(sizeof(verdict_texts) / sizeof(verdict_texts[0]) == FRAME_VERDICT_COUNT,
               "a text per verdict");

const char *frame_kind_name(int kind)
{
    return kind >= 0 && kind < FRAME_KIND_COUNT ? kind_names[kind] : "unknown";
}

const char *frame_verdict_text(unsigned verdict)
{
    if (verdict < FRAME_VERDICT_COUNT)
        return verdict_texts[verdict];
    return "for a reason that only a newer version knows";
}

const char *frame_arbiter_text(unsigned arbiter)
{
    static const char *const texts[] = {
        [FRAME_ARBITER_UNKNOWN] = "unknown",
        [FRAME_ARBITER_RAFT] = "raft",
        [FRAME_ARBITER_VRRP] = "vrrp",
    };
    _Static_assert(sizeof(texts) / sizeof(texts[0]) == FRAME_ARBITER_COUNT, "a text per arbiter");
    return texts[arbiter < FRAME_ARBITER_COUNT ? arbiter : FRAME_ARBITER_UNKNOWN];
}

/* FNV-1a: short, and the same everywhere. Not a secret and not a proof; certificates are. */
uint64_t frame_cluster_id(const char *cluster)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (const char *p = cluster; *p != '\0'; p++)
        h = (h ^ (uint8_t)*p) * 0x100000001b3u;
    return h;
}

/* PING is empty by definition; HELLO is bounded before its sender is known. */
static uint32_t frame_length_max(int kind)
{
    if (kind == FRAME_HELLO)
        return FRAME_HELLO_MAX;
    return kind == FRAME_PING ? 0 : FRAME_PAYLOAD_MAX;
}

void frame_header_encode(const struct frame_header *header, uint8_t buf[FRAME_HEADER_SIZE])
{
    struct codec c = codec_encoder(buf, FRAME_HEADER_SIZE);
    uint16_t magic = FRAME_MAGIC;
    uint8_t layout = FRAME_LAYOUT;
    int kind = (int)header->kind;
    uint32_t length = header->length;
    uint32_t sequence = header->sequence;
    assert(kind >= 0 && kind < FRAME_KIND_COUNT);
    assert(length <= frame_length_max(kind));
    codec_u16(&c, &magic);
    codec_u8(&c, &layout);
    codec_enum(&c, &kind, FRAME_KIND_COUNT);
    codec_u32(&c, &length);
    codec_u32(&c, &sequence);
    assert(codec_finish(&c) == 0);
}

static int frame_header_decode(const uint8_t *buf, struct frame_header *ret_header)
{
    struct codec c = codec_decoder(buf, FRAME_HEADER_SIZE);
    uint16_t magic = 0;
    uint8_t layout = 0;
    int kind = 0;
    uint32_t length = 0;
    uint32_t sequence = 0;
    codec_u16(&c, &magic);
    codec_u8(&c, &layout);
    if (c.err == 0 && magic != FRAME_MAGIC)
        return ERR_FORMAT;
    if (c.err == 0 && layout != FRAME_LAYOUT)
        return ERR_VERSION;
    codec_enum(&c, &kind, FRAME_KIND_COUNT);
    codec_u32(&c, &length);
    codec_u32(&c, &sequence);
    if (codec_finish(&c) != 0)
        return codec_finish(&c);
    if (length > frame_length_max(kind))
        return ERR_FORMAT;
    *ret_header = (struct frame_header){(enum frame_kind)kind, length, sequence};
    return 0;
}

int frame_split(const uint8_t *buf, size_t len, struct frame *ret_frame, size_t *ret_need)
{
    struct frame_header header;
    size_t size;
    int rv;
    if (len < FRAME_HEADER_SIZE) {
        *ret_need = FRAME_HEADER_SIZE;
        return 0;
    }
    rv = frame_header_decode(buf, &header);
    if (rv != 0)
        return rv;
    size = FRAME_HEADER_SIZE + header.length;
    if (len < size) {
        *ret_need = size;
        return 0;
    }
    *ret_frame = (struct frame){header, buf + FRAME_HEADER_SIZE, size};
    *ret_need = 0;
    return 0;
}

static void frame_hello_walk(struct codec *c, struct frame_hello *hello)
{
    codec_u16(c, &hello->protocol);
    codec_u8(c, &hello->verdict);
    codec_u64(c, &hello->cluster_id);
    codec_u64(c, &hello->config_digest);
    codec_u64(c, &hello->incarnation);
    codec_u8(c, &hello->node);
    codec_text(c, hello->name, sizeof(hello->name));
    codec_text(c, hello->agent, sizeof(hello->agent));
    codec_tail(c);
    codec_u32(c, &hello->generation);
    codec_bool(c, &hello->joins);
    codec_tail(c);
    codec_u8(c, &hello->arbiter);
}

int frame_hello_encode(const struct frame_hello *hello, uint8_t *buf, size_t size, size_t *ret_len)
{
    struct codec c = codec_encoder(buf, size);
    struct frame_hello copy = *hello;
    frame_hello_walk(&c, &copy);
    if (codec_finish(&c) != 0)
        return codec_finish(&c);
    *ret_len = codec_used(&c);
    return 0;
}

int frame_hello_decode(const uint8_t *buf, size_t len, struct frame_hello *ret_hello)
{
    struct codec c = codec_decoder(buf, len);
    struct frame_hello hello = {0};
    frame_hello_walk(&c, &hello);
    if (codec_finish_tail(&c) != 0)
        return codec_finish_tail(&c);
    *ret_hello = hello;
    return 0;
}
