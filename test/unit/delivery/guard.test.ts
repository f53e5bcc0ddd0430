import { describe, expect, test } from 'vitest';
import { createGuard, isPublicAddress } from '../../../src/webhook/guard.ts';

describe('isPublicAddress', () => {
  test.each([
    '93.184.215.14',
    '8.8.8.8',
    '1.1.1.1',
    '2606:2800:220:1:248:1893:25c8:1946',
    '2a00:1450:4001:810::200e',
  ])('%s is public', (address) => expect(isPublicAddress(address)).toBe(true));

  test.each([
    ['this network', '0.0.0.0'],
    ['this network', '0.1.2.3'],
    ['loopback', '127.0.0.1'],
    ['loopback', '127.255.255.254'],
    ['private', '10.1.2.3'],
    ['private', '172.16.0.1'],
    ['private', '172.31.255.255'],
    ['private', '192.168.1.1'],
    ['carrier-grade NAT', '100.64.0.1'],
    ['Alibaba metadata', '100.100.100.200'],
    ['link-local, metadata', '169.254.169.254'],
    ['AWS ECS metadata', '169.254.170.2'],
    ['Azure host agent', '168.63.129.16'],
    ['Oracle metadata', '192.0.0.192'],
    ['documentation', '192.0.2.1'],
    ['documentation', '198.51.100.7'],
    ['documentation', '203.0.113.9'],
    ['6to4 relay', '192.88.99.1'],
    ['benchmarking', '198.18.0.1'],
    ['multicast', '224.0.0.1'],
    ['multicast', '239.255.255.250'],
    ['reserved', '240.0.0.1'],
    ['broadcast', '255.255.255.255'],
    ['unspecified', '::'],
    ['loopback', '::1'],
    ['IPv4-mapped', '::ffff:127.0.0.1'],
    ['IPv4-mapped public', '::ffff:8.8.8.8'],
    ['IPv4-mapped hex', '::ffff:7f00:1'],
    ['IPv4-compatible', '::7f00:1'],
    ['IPv4-compatible', '::8.8.8.8'],
    ['IPv4-translated', '::ffff:0:127.0.0.1'],
    ['NAT64', '64:ff9b::7f00:1'],
    ['local NAT64', '64:ff9b:1::7f00:1'],
    ['6to4', '2002:7f00:1::'],
    ['Teredo', '2001:0:4136:e378:8000:63bf:3fff:fdd2'],
    ['ORCHID', '2001:20::1'],
    ['documentation', '2001:db8::1'],
    ['documentation', '3fff::1'],
    ['segment routing', '5f00::1'],
    ['discard', '100::1'],
    ['unique local', 'fc00::1'],
    ['AWS metadata', 'fd00:ec2::254'],
    ['link-local', 'fe80::1'],
    ['link-local with zone', 'fe80::1%eth0'],
    ['site-local', 'fec0::1'],
    ['multicast', 'ff02::1'],
    ['unassigned', '4000::1'],
    ['text', 'localhost'],
    ['empty', ''],
  ])('%s is not: %s', (_what, address) => expect(isPublicAddress(address)).toBe(false));
});

describe('checkUrl without a list', () => {
  const { checkUrl } = createGuard([]);

  test.each([
    'https://example.com/hook',
    'https://example.com:8443/hook?x=1#fragment',
    'https://example.com:80/',
    'https://example.com./',
    'https://bücher.example/',
    'https://8.8.8.8/',
    'https://[2606:2800:220:1::1]/',
    'HTTPS://EXAMPLE.COM/',
  ])('%s may be a webhook', (url) => expect(checkUrl(url)).toBeNull());

  test.each([
    'https://127.0.0.1/',
    'https://127.0.0.1./',
    'https://127.1/',
    'https://127.0.1/',
    'https://2130706433/',
    'https://0x7f000001/',
    'https://0x7f.0.0.1/',
    'https://017700000001/',
    'https://0177.0.0.1/',
    'https://%31%32%37.0.0.1/',
    'https://127。0。0。1/',
    'https://①②⑦.⓪.⓪.①/',
    'https://0/',
    'https://0.0.0.0/',
    'https://[::1]/',
    'https://[::]/',
    'https://[0:0:0:0:0:0:0:1]/',
    'https://[::ffff:127.0.0.1]/',
    'https://[::ffff:7f00:1]/',
    'https://[::127.0.0.1]/',
    'https://[64:ff9b::10.0.0.1]/',
    'https://[2002:a00:1::]/',
    'https://[fd00:ec2::254]/',
    'https://169.254.169.254/latest/meta-data/',
    'https://0xa9fea9fe/',
    'https://2852039166/',
    'https://168.63.129.16/',
    'https://localhost/',
    'https://localhost./',
    'https://LOCALHOST/',
    'https://api.localhost/',
    'https://lo\tcalhost/',
  ])('%s does not point to a public address', (url) =>
    expect(checkUrl(url)).toBe('The URL must point to a public address.'),
  );

  test.each([
    ['http://example.com/', 'The URL must begin with https://.'],
    ['http://127.0.0.1/', 'The URL must begin with https://.'],
    ['ftp://example.com/', 'The URL must begin with https://.'],
    ['file:///etc/passwd', 'The URL must begin with https://.'],
    ['javascript:alert(1)', 'The URL must begin with https://.'],
    ['https://user@example.com/', 'The URL must not hold a user name or password.'],
    ['https://user:secret@example.com/', 'The URL must not hold a user name or password.'],
    ['https://example.com@127.0.0.1/', 'The URL must not hold a user name or password.'],
    ['https://example.com:22/', 'The port must be 443, 80, or 1024 and above.'],
    ['https://example.com:0/', 'The port must be 443, 80, or 1024 and above.'],
    ['https://example.com:99999/', 'This is not a valid URL.'],
    ['https://[fe80::1%25eth0]/', 'This is not a valid URL.'],
    ['https://127.0.0.1.1/', 'This is not a valid URL.'],
    ['https://08.0.0.1/', 'This is not a valid URL.'],
    ['https://', 'This is not a valid URL.'],
    ['https://a..b/', 'The URL needs a valid host.'],
    ['/hook', 'This is not a valid URL.'],
    ['', 'This is not a valid URL.'],
    [`https://example.com/${'a'.repeat(2_100)}`, 'The URL must not be longer than 2048 characters.'],
  ])('%s: %s', (url, reason) => expect(checkUrl(url)).toBe(reason));
});

describe('checkUrl with a list', () => {
  const { checkUrl } = createGuard(['127.0.0.0/8', '10.1.2.3', 'fd00::/8']);

  test.each([
    'http://127.0.0.1:99/',
    'https://10.1.2.3:22/',
    'https://[fd00:ec2::254]/',
    'http://localhost:8080/',
    'http://intern.example/',
  ])('%s may be a webhook', (url) => expect(checkUrl(url)).toBeNull());

  test.each(['https://10.1.2.4/', 'http://8.8.8.8/', 'https://8.8.8.8:22/', 'https://[::ffff:127.0.0.1]/'])(
    '%s may not',
    (url) => expect(checkUrl(url)).not.toBeNull(),
  );

  test('a malformed list is a configuration error', () => {
    expect(() => createGuard(['10.0.0.0/99'])).toThrow('config_invalid');
    expect(() => createGuard(['localhost'])).toThrow('config_invalid');
  });
});
