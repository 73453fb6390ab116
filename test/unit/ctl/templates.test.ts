import { describe, expect, it } from 'vitest';
import { customCell, parseCustomColumns } from '../../../src/ctl/output/custom-columns.ts';
import { parseOutputFormat } from '../../../src/ctl/output/format.ts';
import { parseGoTemplate } from '../../../src/ctl/output/go-template.ts';
import { parseJsonPathTemplate } from '../../../src/ctl/output/json-path.ts';

const LIST = {
  kind: 'List',
  items: [
    {
      kind: 'None',
      metadata: { name: '127.0.0.1', labels: { 'kubernetes.io/hostname': 'a' } },
      status: { capacity: { cpu: '4' }, addresses: [{ type: 'LegacyHostIP', address: '127.0.0.1' }] },
    },
    {
      kind: 'None',
      metadata: { name: '127.0.0.2' },
      status: {
        capacity: { cpu: '8' },
        addresses: [
          { type: 'LegacyHostIP', address: '127.0.0.2' },
          { type: 'another', address: '127.0.0.3', order: 5 },
        ],
      },
    },
  ],
  users: [
    { name: 'myself', user: {} },
    { name: 'e2e', user: { username: 'admin', password: 'secret' } },
  ],
  numbers: [0, 1, 2, 3, 4],
};

describe('-o jsonpath', () => {
  // The examples of kubectl's own documentation first.
  it.each([
    ['kind is {.kind}', 'kind is List'],
    ["{['kind']}", 'List'],
    ['{..name}', '127.0.0.1 127.0.0.2 myself e2e'],
    ['{.items[*].metadata.name}', '127.0.0.1 127.0.0.2'],
    ['{.users[0].name}', 'myself'],
    ["{.items[*]['metadata.name', 'status.capacity']}", ''],
    [
      "{.items[*]['kind','metadata']}",
      'None {"name":"127.0.0.1","labels":{"kubernetes.io/hostname":"a"}} None {"name":"127.0.0.2"}',
    ],
    ['{.users[?(@.name=="e2e")].user.password}', 'secret'],
    [
      '{range .items[*]}[{.metadata.name}, {.status.capacity}] {end}',
      '[127.0.0.1, {"cpu":"4"}] [127.0.0.2, {"cpu":"8"}] ',
    ],
    ['{range .items[*]}{.metadata.name}{"\\t"}{end}', '127.0.0.1\t127.0.0.2\t'],
    ['{.items[0].metadata.labels.kubernetes\\.io/hostname}', 'a'],
    ["{.items[0].metadata.labels['kubernetes.io/hostname']}", 'a'],
    ['{$.numbers[1:3]}', '1 2'],
    ['{.numbers[-1]}', '4'],
    ['{.numbers[-2:]}', '3 4'],
    ['{.numbers[::2]}', '0 2 4'],
    ['{.numbers[0,3,9]}', '0 3'],
    ['{.numbers[?(@ >= 3)]}', '3 4'],
    ['{.numbers[?(@!=3)]}', '0 1 2 4'],
    ['{.items[*].status.addresses[?(@.order)].address}', '127.0.0.3'],
    ['{.items[*].status.addresses[?(@.order < 6)].address}', '127.0.0.3'],
    [
      '{range .items[*]}{range .status.addresses[*]}{.address};{end}|{end}',
      '127.0.0.1;|127.0.0.2;127.0.0.3;|',
    ],
    ['{range .items[*]}{.metadata.name}={$.kind} {end}', '127.0.0.1=List 127.0.0.2=List '],
    ['{.nothing.at.all}', ''],
    ['{.kind}{" "}{.users[1].name}', 'List e2e'],
    ['{@.users[*].user.*}', 'admin secret'],
    ['{.__proto__}{.constructor}', ''],
    ['plain', 'plain'],
  ])('%s', (template, text) => {
    expect(parseJsonPathTemplate(template)(LIST)).toBe(text);
  });

  it.each([
    ['{.kind', /expected }|brace is not closed/],
    ['{range .items[*]}x', /a range has no {end}/],
    ['{end}', /no range that {end} could end/],
    ['{.a[}', /not closed/],
    ['{.a[x]}', /\[x\] is neither an index, a slice nor a name in quotes/],
    ['{.a[::0]}', /step of a slice cannot be 0/],
    ['{.a[?(@.b == "c]}', /a quote is not closed/],
    ['{kind}', /expected a path/],
  ])('refuses %s', (template, message) => {
    expect(() => parseJsonPathTemplate(template)).toThrow(message);
  });
});

describe('-o custom-columns', () => {
  it.each([
    ['NAME:.metadata.name', ['127.0.0.2']],
    ['NAME:metadata.name,CPU:{.status.capacity.cpu}', ['127.0.0.2', '8']],
    ['A:.status.addresses[*].address', ['127.0.0.2,127.0.0.3']],
    ["A:.status.addresses[?(@.type=='another')]['address','order'],B:.kind", ['127.0.0.3,5', 'None']],
    ['X:.nothing', ['<none>']],
  ])('%s', (text, cells) => {
    expect(parseCustomColumns(text).map(({ path }) => customCell(path!, LIST.items[1]))).toEqual(cells);
  });

  it('takes headings of our own tables without a path', () => {
    expect(parseCustomColumns('NAME,ORDER')).toEqual([
      { heading: 'NAME', path: undefined },
      { heading: 'ORDER', path: undefined },
    ]);
  });

  it('refuses a column without a heading', () => {
    expect(() => parseCustomColumns('NAME:.metadata.name,')).toThrow('a column without a heading');
  });
});

describe('-o go-template', () => {
  it.each([
    ['{{.kind}}', 'List'],
    ['{{range .items}}{{.metadata.name}} {{end}}', '127.0.0.1 127.0.0.2 '],
    ['{{range $i, $x := .items}}{{$i}}={{$x.metadata.name}};{{end}}', '0=127.0.0.1;1=127.0.0.2;'],
    ['{{range .nothing}}x{{else}}empty{{end}}', 'empty'],
    ['{{.nothing}}', '<no value>'],
    ['{{.nothing.below}}', '<no value>'],
    ['{{if eq .kind "List"}}yes{{else}}no{{end}}', 'yes'],
    ['{{if .nothing}}a{{else if .kind}}b{{else}}c{{end}}', 'b'],
    ['{{if and .kind (not .nothing)}}both{{end}}', 'both'],
    ['{{with index .users 1}}{{.name}}/{{.user.username}}/{{$.kind}}{{end}}', 'e2e/admin/List'],
    ['{{$n := len .items}}{{$n}}', '2'],
    ['{{$n := 0}}{{range .items}}{{$n = .metadata.name}}{{end}}{{$n}}', '127.0.0.2'],
    [
      '{{range .items}}{{if eq .metadata.name "127.0.0.2"}}{{break}}{{end}}{{.metadata.name}}{{end}}',
      '127.0.0.1',
    ],
    ['{{range .numbers}}{{if lt . 3}}{{continue}}{{end}}{{.}}{{end}}', '34'],
    ['a {{- .kind -}} b', 'aListb'],
    ['a{{/* a comment }} */}}b', 'ab'],
    [
      '{{printf "%-6s|%3d|%q|%05.1f|%t|%v%%" .kind 7 "x" 2.25 true .numbers}}',
      'List  |  7|"x"|002.3|true|[0 1 2 3 4]%',
    ],
    ['{{"text" | printf "%s!"}}', 'text!'],
    ['{{join .numbers ","}}', '0,1,2,3,4'],
    ['{{index .items 0 "metadata" "labels" "kubernetes.io/hostname"}}', 'a'],
    ['{{(index .items 0).metadata.name}}', '127.0.0.1'],
    ['{{slice .kind 1 3}}', 'is'],
    ['{{.users}}', '[map[name:myself user:map[]] map[name:e2e user:map[password:secret username:admin]]]'],
    ['{{print "a" 1 2 "b"}}{{println "c" 3}}', 'a1 2bc 3\n'],
    ['{{"\\n"}}{{`raw\\n`}}', '\nraw\\n'],
    ['{{eq 1 2 1}} {{ne "a" "b"}} {{le 2 2}} {{gt 1 2}}', 'true true true false'],
    ['{{or .nothing "default"}}', 'default'],
    ['{{range $k, $v := (index .users 1).user}}{{$k}}:{{$v}},{{end}}', 'password:secret,username:admin,'],
  ])('%s', (template, text) => {
    expect(parseGoTemplate(template)(LIST)).toBe(text);
  });

  it.each([
    ['{{.kind', /an action is not closed/],
    ['{{if .a}}x', /{{if}} has no {{end}}/],
    ['{{end}}', /unexpected {{end}}/],
    ['{{frob .a}}', /function "frob" is not defined/],
    ['{{len}}', /wrong number of arguments of len/],
    ['{{template "x"}}', /{{template}} is not supported/],
    ['{{.a | .b}}', /a pipe must lead to a function/],
    ['{{(.a}}', /parenthesis is not closed/],
    ['{{.a .b}}', /unexpected "\.b"/],
    ['{{.a ~}}', /"~" is not understood/],
  ])('refuses %s', (template, message) => {
    expect(() => parseGoTemplate(template)).toThrow(message);
  });

  it.each([
    ['{{.kind.name}}', /can't take field name of List/],
    ['{{range .kind}}{{end}}', /range can't iterate/],
    ['{{lt .kind 1}}', /cannot compare/],
    ['{{index .numbers 9}}', /out of range/],
    ['{{$x}}', /undefined variable \$x/],
  ])('fails at %s', (template, message) => {
    expect(() => parseGoTemplate(template)(LIST)).toThrow(message);
  });
});

describe('-o', () => {
  const read = (file: string): string => `content of ${file}\n`;

  it.each([
    ['yaml', { type: 'yaml' }],
    ['name', { type: 'name' }],
    ['jsonpath={.a}', { type: 'jsonpath', template: '{.a}' }],
    ['go-template-file=x', { type: 'go-template', template: 'content of x' }],
    ['custom-columns=A:.a=b', { type: 'custom-columns', template: 'A:.a=b' }],
  ])('understands %s', (text, format) => {
    expect(parseOutputFormat(text, read)).toEqual(format);
  });

  it.each([
    ['table', 'unknown output format "table"'],
    ['jsonpath', '-o jsonpath needs a template'],
    ['go-template-file', '-o go-template-file needs a template'],
  ])('refuses %s', (text, message) => {
    expect(() => parseOutputFormat(text, read)).toThrow(message);
  });
});
