import { describe, expect, it } from 'vitest';
import { commentText, objectName, shortHash } from '../../../src/nftables/names.ts';

describe('names that nft prints and reads back', () => {
  it('leaves short ids as they are', () => {
    const id = 'default/NetworkPolicy/prod/web/ingress/0';
    expect(commentText(id)).toBe(id);
    expect(objectName('pi-', 'default/NetworkPolicy/prod/web')).toBe('pi-default/NetworkPolicy/prod/web');
  });

  it('cuts ids over 120 characters and ends them in a hash of the whole (design D4)', () => {
    const id = `default/NetworkPolicy/${'n'.repeat(63)}/${'p'.repeat(253)}/ingress/0`;
    expect(commentText(id)).toBe(`${id.slice(0, 109)}~${shortHash(id)}`);
    expect(commentText(id).length).toBe(120);
    expect(objectName('pi-', id)).toBe(`pi-${id.slice(0, 109)}_${shortHash(id)}`);
    expect(commentText(id)).not.toBe(commentText(`${id}1`));
  });

  it('leaves no quote or control character in a comment', () => {
    expect(commentText('a == "b" && c\n')).toBe("a == 'b' && c?");
  });

  it('keeps names apart that differ only in what nft cannot read', () => {
    expect(objectName('s-', 'a:b')).not.toBe(objectName('s-', 'a;b'));
    expect(objectName('s-', 'a:b')).toMatch(/^s-a_b_[0-9a-f]{10}$/);
  });
});
